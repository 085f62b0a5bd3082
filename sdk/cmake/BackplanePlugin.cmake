# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
#
# backplane_add_plugin(<target> MANIFEST plugin.json SOURCES <file>… [LIBRARIES <library>…] [ABI_MINOR <n>])
#
# <target>        the plug-in: a module <name>.so with the name from the manifest, one exported symbol, and the manifest as
#                 an ELF note
# <target>-logic  the same code as an object library, for unit tests
#
# ABI_MINOR is the lowest minor version of the ABI that the plug-in wants to run on; default: that of this SDK. With
# BP_PLUGIN_OUTPUT_DIRECTORY set, the module is built there. The global property BACKPLANE_PLUGINS lists all targets.
# Manifest and note: docs/reference/plugin-note.md.
include_guard(GLOBAL)

# The machine as Debian names it; the same list as in the inspector (architectures.hpp).
function(_backplane_plugin_arch out)
    set(processor "${CMAKE_SYSTEM_PROCESSOR}")
    if(CMAKE_LIBRARY_ARCHITECTURE)
        set(arch "${CMAKE_LIBRARY_ARCHITECTURE}")
    elseif(processor MATCHES "^(x86_64|amd64|AMD64)$")
        set(arch x86_64-linux-gnu)
    elseif(processor MATCHES "^(aarch64|arm64)$")
        set(arch aarch64-linux-gnu)
    elseif(processor MATCHES "^arm")
        set(arch arm-linux-gnueabihf)
    elseif(processor MATCHES "^i[3-6]86$")
        set(arch i386-linux-gnu)
    elseif(processor STREQUAL "riscv64")
        set(arch riscv64-linux-gnu)
    endif()
    if(NOT arch MATCHES "^(x86_64|aarch64|i386|riscv64)-linux-gnu$|^arm-linux-gnueabihf$")
        message(FATAL_ERROR "backplane_add_plugin: the box does not run on \"${processor}\" (${arch}). It runs on "
                            "x86_64, aarch64, armhf, i386 and riscv64: set CMAKE_SYSTEM_PROCESSOR in the toolchain file.")
    endif()
    set(${out} ${arch} PARENT_SCOPE)
endfunction()

# A text member of the manifest. `regex` is what it must look like, `must` the same in words.
function(_backplane_manifest_text out file json member regex must)
    string(JSON type ERROR_VARIABLE error TYPE "${json}" ${member})
    if(error)
        message(FATAL_ERROR "${file}: \"${member}\" is missing: it must be ${must}.")
    endif()
    string(JSON value GET "${json}" ${member})
    if(NOT type STREQUAL "STRING" OR NOT value MATCHES "${regex}")
        message(FATAL_ERROR "${file}: \"${member}\" is ${value}, but it must be ${must}.")
    endif()
    set(${out} "${value}" PARENT_SCOPE)
endfunction()

# Reads and checks the manifest; the full check of every member is the inspector's.
function(_backplane_read_manifest file abi_minor out_id out_name out_note)
    if(NOT EXISTS "${file}")
        message(FATAL_ERROR "backplane_add_plugin: the manifest ${file} does not exist. It is a JSON file that says what "
                            "the plug-in is and what it serves (docs/reference/plugin-note.md).")
    endif()
    file(READ "${file}" json)
    string(JSON type ERROR_VARIABLE error TYPE "${json}")
    if(error)
        message(FATAL_ERROR "${file} is not valid JSON: ${error}.")
    endif()
    if(NOT type STREQUAL "OBJECT")
        message(FATAL_ERROR "${file} must be one JSON object, but it is of type ${type}.")
    endif()
    foreach(member abi sdk arch)
        string(JSON type ERROR_VARIABLE error TYPE "${json}" ${member})
        if(NOT error)
            message(FATAL_ERROR "${file}: \"${member}\" is filled in by backplane_add_plugin(), so that it is always true: "
                                "remove it from the manifest.")
        endif()
    endforeach()

    _backplane_manifest_text(kind "${file}" "${json}" kind "^(driver|interface)$" "\"driver\" or \"interface\"")
    _backplane_manifest_text(id "${file}" "${json}" id "^[a-z0-9_-]+(\\.[a-z0-9_-]+)+$"
                             "a reversed domain name such as \"com.example.scale\"")
    _backplane_manifest_text(name "${file}" "${json}" name "^[a-z0-9_]+$" "1 to 32 of a-z, 0-9 and _")
    string(LENGTH "${name}" length)
    if(length GREATER 32)
        message(FATAL_ERROR "${file}: \"name\" is ${name} (${length} characters), but it must be 1 to 32 of a-z, 0-9 and _.")
    endif()
    _backplane_manifest_text(version "${file}" "${json}" version "^[0-9]+\\.[0-9]+\\.[0-9]+([-+].+)?$"
                             "a semantic version such as \"1.2.3\"")
    foreach(member title vendor license)
        _backplane_manifest_text(value "${file}" "${json}" ${member} "." "a text that is not empty")
    endforeach()
    string(JSON schema ERROR_VARIABLE error GET "${json}" schema)
    if(NOT error AND NOT schema EQUAL 1)
        message(FATAL_ERROR "${file}: \"schema\" is ${schema}, but this SDK writes notes of schema 1: remove the member.")
    endif()
    foreach(member device_types match)
        string(JSON type ERROR_VARIABLE error TYPE "${json}" ${member})
        if(kind STREQUAL "driver" AND NOT type STREQUAL "ARRAY")
            message(FATAL_ERROR "${file}: \"${member}\" is missing or no list: a driver says which devices it serves.")
        elseif(kind STREQUAL "interface" AND NOT error)
            message(FATAL_ERROR "${file}: \"${member}\" belongs to drivers, and this is an interface: remove it.")
        endif()
    endforeach()

    get_property(include GLOBAL PROPERTY BACKPLANE_SDK_INCLUDE_DIR)
    get_property(sdk GLOBAL PROPERTY BACKPLANE_SDK_VERSION)
    file(STRINGS "${include}/backplane/abi/base.h" major REGEX "^#define BP_ABI_MAJOR [0-9]+")
    file(STRINGS "${include}/backplane/abi/base.h" minor REGEX "^#define BP_ABI_MINOR [0-9]+")
    string(REGEX MATCH "[0-9]+" major "${major}")
    string(REGEX MATCH "[0-9]+" minor "${minor}")
    if(NOT abi_minor STREQUAL "")
        if(NOT abi_minor MATCHES "^[0-9]+$" OR abi_minor GREATER minor)
            message(FATAL_ERROR "backplane_add_plugin: ABI_MINOR is ${abi_minor}, but this SDK has the ABI "
                                "${major}.${minor}: use a number from 0 to ${minor}, or a newer SDK.")
        endif()
        set(minor ${abi_minor})
    endif()
    _backplane_plugin_arch(arch)
    string(JSON json SET "${json}" schema 1)
    string(JSON json SET "${json}" abi "{\"major\": ${major}, \"minor\": ${minor}}")
    string(JSON json SET "${json}" sdk "\"${sdk}\"")
    string(JSON json SET "${json}" arch "\"${arch}\"")
    # Indentation costs a third of the space. A line break inside a text would be "\n", so nothing else is touched.
    string(REGEX REPLACE "[ \t]*\n[ \t]*" "" json "${json}")
    string(LENGTH "${json}" length)
    if(length GREATER 16384)
        message(FATAL_ERROR "${file}: the note would have ${length} bytes, but 16384 are allowed: shorten the texts, or "
                            "merge match rules.")
    endif()
    set(${out_id} ${id} PARENT_SCOPE)
    set(${out_name} ${name} PARENT_SCOPE)
    set(${out_note} "${json}" PARENT_SCOPE)
endfunction()

# Assembler instead of a C++ object: no compiler flag, sanitizer or linker option can move, pad or drop it.
function(_backplane_write_note file json)
    file(WRITE "${file}.json" "${json}")
    file(READ "${file}.json" hex HEX)
    string(LENGTH "${hex}" size)
    math(EXPR size "${size} / 2")
    string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
    string(STRIP "${hex}" hex)  # a note of a multiple of 16 bytes would end in an empty line
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    string(REGEX REPLACE ",\n" "\\\\n\"\n    \".byte " hex "${hex}\n")
    string(REGEX REPLACE ",?\n? *\"\\.byte $" "" hex "    \".byte ${hex}")
    string(REGEX REPLACE "\\\\n\"$" "" hex "${hex}")
    set(text "// Written by backplane_add_plugin(): the note of the plug-in (owner, type 0x42500001, JSON).
__asm__(
    \".pushsection .note.backplane.plugin,\\\"a\\\",%note\\n\"
    \".balign 4\\n\"
    \".4byte 10, ${size}, 0x42500001\\n\"
    \".asciz \\\"Backplane\\\"\\n\"
    \".balign 4\\n\"
${hex}\\n\"
    \".balign 4\\n\"
    \".popsection\\n\");
")
    # Unchanged text keeps its time stamp, and nothing is compiled again.
    file(CONFIGURE OUTPUT "${file}" CONTENT "${text}" @ONLY)
endfunction()

# True in `out` if any flag that this directory compiles with asks for a sanitizer.
function(_backplane_sanitized out)
    get_directory_property(compile_options COMPILE_OPTIONS)
    get_directory_property(link_options LINK_OPTIONS)
    string(TOUPPER "${CMAKE_BUILD_TYPE}" config)
    set(${out} OFF PARENT_SCOPE)
    if("${compile_options} ${link_options} ${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${config}} ${CMAKE_MODULE_LINKER_FLAGS}"
       MATCHES "-fsanitize")
        set(${out} ON PARENT_SCOPE)
    endif()
endfunction()

function(backplane_add_plugin target)
    cmake_parse_arguments(PARSE_ARGV 1 A "" "MANIFEST;ABI_MINOR" "SOURCES;LIBRARIES")
    if(A_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "backplane_add_plugin(${target}): unknown arguments: ${A_UNPARSED_ARGUMENTS}.")
    endif()
    foreach(needed MANIFEST SOURCES)
        if(NOT A_${needed})
            message(FATAL_ERROR "backplane_add_plugin(${target}): ${needed} is missing. Usage: backplane_add_plugin(<target> "
                                "MANIFEST plugin.json SOURCES <file>… [LIBRARIES <library>…] [ABI_MINOR <n>]).")
        endif()
    endforeach()
    cmake_path(ABSOLUTE_PATH A_MANIFEST BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${A_MANIFEST}")
    _backplane_read_manifest("${A_MANIFEST}" "${A_ABI_MINOR}" id name note)

    set(generated "${CMAKE_CURRENT_BINARY_DIR}/${target}-note.cpp")
    _backplane_write_note("${generated}" "${note}")
    get_property(map GLOBAL PROPERTY BACKPLANE_SDK_VERSION_SCRIPT)
    _backplane_sanitized(sanitized)

    add_library(${target}-logic OBJECT ${A_SOURCES})
    target_link_libraries(${target}-logic PUBLIC Backplane::sdk Backplane::json ${A_LIBRARIES})
    target_compile_features(${target}-logic PUBLIC cxx_std_20)
    target_compile_options(${target}-logic PRIVATE -ffunction-sections -fdata-sections)
    # For BACKPLANE_DRIVER() and BACKPLANE_INTERFACE(): create() answers to the id of the manifest.
    target_compile_definitions(${target}-logic PRIVATE "BACKPLANE_PLUGIN_ID=\"${id}\"")
    if(DEFINED A_ABI_MINOR)
        target_compile_definitions(${target}-logic PUBLIC BP_TARGET_ABI_MINOR=${A_ABI_MINOR})
    endif()
    if(TARGET backplane::options)
        target_link_libraries(${target}-logic PRIVATE backplane::options)
    endif()
    set_target_properties(${target}-logic PROPERTIES POSITION_INDEPENDENT_CODE ON
        C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)

    add_library(${target} MODULE "${generated}")
    target_link_libraries(${target} PRIVATE ${target}-logic)
    target_link_options(${target} PRIVATE
        "LINKER:--version-script=${map}" LINKER:--exclude-libs,ALL LINKER:--gc-sections LINKER:--as-needed
        LINKER:-z,now LINKER:-z,relro LINKER:-z,noexecstack
        # The run-time library of a sanitizer comes with the program that loads the plug-in.
        $<$<NOT:$<BOOL:${sanitized}>>:LINKER:-z,defs>)
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} PREFIX "" SUFFIX ".so"
        LINK_DEPENDS "${map}" POSITION_INDEPENDENT_CODE ON
        # Search paths could load foreign libraries; the inspector refuses them.
        SKIP_BUILD_RPATH ON INSTALL_RPATH "" INSTALL_RPATH_USE_LINK_PATH OFF)
    if(BP_PLUGIN_OUTPUT_DIRECTORY)
        set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${BP_PLUGIN_OUTPUT_DIRECTORY}")
    endif()
    set_property(GLOBAL APPEND PROPERTY BACKPLANE_PLUGINS ${target})
endfunction()
