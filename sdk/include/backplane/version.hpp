// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The version of the SDK. The build reads it from here: package, pkg-config file and every plug-in's note follow.
#pragma once

#define BP_SDK_VERSION "1.0.0"
