// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Boost.JSON, compiled once per project and linked into its plug-ins: a plug-in must not need a
// libboost_json.so that the next release of the box may not have. Nothing of it is exported (the
// version script sees to that).
#include <boost/json/src.hpp>
