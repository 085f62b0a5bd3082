// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How the commands for publishers say what happened: one line on stderr for a failure, sentences on stdout.
#pragma once

#include <iostream>
#include <string>

#include "backplane/core/result.hpp"
#include "exit_code.hpp"
#include "util/utf8.hpp"

namespace backplane::cli {

/// A line for stdout; texts may come from foreign documents.
inline void say(const std::string& line) {
    std::cout << core::to_printable(line, 64u << 10) << '\n';
}

/// With the code of the verification, if it is one.
inline ExitCode say_failure(const core::Error& error) {
    std::cerr << "backplane: ";
    if (error.code.starts_with("E_")) std::cerr << error.code << ": ";
    std::cerr << core::to_printable(error.text, 64u << 10) << '\n';
    return ExitCode::failed;
}

/// `code`, unless stdout took nothing (a full disk).
inline ExitCode finish_output(ExitCode code) {
    std::cout.flush();
    if (std::cout) return code;
    std::cerr << "backplane: cannot write the output: is the disk full?\n";
    return ExitCode::failed;
}

template <typename T>
core::Unexpected<core::Error> passed_on(const core::Result<T>& result) {
    return core::Unexpected<core::Error>{result.error()};
}

}  // namespace backplane::cli
