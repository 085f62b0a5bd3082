/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* A library that is not on the list. */
int foreign_function(void);
int foreign_function(void) {
    return 7;
}
