/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* The smallest plug-in, and by macros every fault that the inspector knows. The notes come from files, byte by byte. */
#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

#define NOTE(file)                                          \
    __asm__(                                                \
        ".pushsection .note.backplane.plugin,\"a\",%note\n" \
        ".balign 4\n.4byte 10, 1f - 0f, 0x42500001\n"       \
        ".asciz \"Backplane\"\n.balign 4\n"                 \
        "0: .incbin \"" file "\"\n1: .balign 4\n.popsection\n")

#ifdef FIRST_NOTE
NOTE(TEXT(FIRST_NOTE));
#endif
#ifdef SECOND_NOTE
NOTE(TEXT(SECOND_NOTE));
#endif
#ifdef FOREIGN_NOTES
/* Ours by owner but not by type, and by type but not by owner. */
__asm__(
    ".pushsection .note.backplane.other,\"a\",%note\n.balign 4\n.4byte 10, 4, 7\n.asciz "
    "\"Backplane\"\n.balign 4\n"
    ".ascii \"oops\"\n.4byte 6, 4, 0x42500001\n.asciz \"Other\"\n.balign 4\n.ascii "
    "\"oops\"\n.popsection\n");
#endif
#ifdef CODE_WITH_ADDRESS
/* An absolute address inside code has to be patched when the library is loaded. */
__asm__(
    ".pushsection .text\n.globl an_address\nan_address:\n"
#if defined(__LP64__)
    ".8byte bp_plugin_entry\n"
#else
    ".4byte bp_plugin_entry\n"
#endif
    ".popsection\n");
#endif
#ifdef FOREIGN_FUNCTION
extern int foreign_function(void);
EXPORT int use_foreign_function(void);
int use_foreign_function(void) {
    return foreign_function();
}
#endif

typedef struct {
    uint32_t struct_size, abi_major, abi_minor, reserved;
    int32_t (*create)(const void* host, const char* id, void** out);
} entry;

#ifndef NO_ENTRY
static int32_t create(const void* host, const char* id, void** out) {
    (void)host, (void)id, (void)out;
    return -1;
}
#ifdef ENTRY_IS_CODE
EXPORT void bp_plugin_entry(void);
void bp_plugin_entry(void) {
    create(NULL, NULL, NULL);
}
#else
extern EXPORT const entry bp_plugin_entry;
const entry bp_plugin_entry = {sizeof(entry), 1, 0, 0, &create};
#endif
#endif
#ifdef SECOND_EXPORT
EXPORT int another_symbol(void);
int another_symbol(void) {
    return 1;
}
#endif
#ifdef PROGRAM
int main(void) {
    return 0;
}
#endif
