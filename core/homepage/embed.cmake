# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
#
# cmake -DOUTPUT=… -DROOT=… "-DFILES=index.html;app.js;…" -P embed.cmake
# Writes the files below ROOT into one C++ source, so that building needs no other tool than CMake.
cmake_minimum_required(VERSION 3.25)

# '@' stands for "; ", which would end an element of a CMake list.
set(type_html "text/html@charset=utf-8")
set(type_css "text/css@charset=utf-8")
set(type_js "text/javascript@charset=utf-8")
set(type_svg "image/svg+xml")

set(entries "")
foreach(name IN LISTS FILES)
    set(file "${ROOT}/${name}")
    string(REGEX MATCH "[a-z0-9]+$" extension "${name}")
    if(NOT DEFINED type_${extension})
        message(FATAL_ERROR "cannot embed ${file}: no content type is known for .${extension}: add it in embed.cmake")
    endif()
    if(name STREQUAL "index.html")
        set(path "/")
    else()
        set(path "/homepage/${name}")
    endif()
    # As bytes: no text of a page can then end a literal early, whatever it contains.
    file(READ "${file}" bytes HEX)
    string(LENGTH "${bytes}" digits)
    math(EXPR size "${digits} / 2")
    if(size EQUAL 0)
        message(FATAL_ERROR "cannot embed ${file}: it is empty")
    endif()
    string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
    file(SHA256 "${file}" hash)
    string(SUBSTRING "${hash}" 0 32 hash)
    string(MAKE_C_IDENTIFIER "k_${name}" variable)
    string(APPEND arrays "constexpr char ${variable}[] = {\n${bytes}};\n\n")
    list(APPEND entries "${path} &    StaticFile{\"${path}\", \"${type_${extension}}\", {${variable}, sizeof(${variable})}, \"\\\"${hash}\\\"\"},")
endforeach()

list(SORT entries)  # by path, which the line begins with
set(table "")
foreach(entry IN LISTS entries)
    string(REGEX REPLACE "^[^ ]* &" "" entry "${entry}")
    string(REPLACE "@" "; " entry "${entry}")
    string(APPEND table "${entry}\n")
endforeach()

set(source "// Made from the files of core/homepage/static by embed.cmake: change those.
#include \"homepage.hpp\"

namespace backplane::core {
namespace {

${arrays}constexpr StaticFile k_files[] = {
${table}};

}  // namespace

std::span<const StaticFile> homepage_files() noexcept { return k_files; }

}  // namespace backplane::core
")
file(WRITE "${OUTPUT}" "${source}")
