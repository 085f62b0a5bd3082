# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
#
# backplane_add_bundle(<target> BUNDLE <id> VERSION <n> MODULE <folder> PLUGINS <plug-in or file>…
#                      [ROOT <file or folder>…] [KEYS <secret key file>…] [ZIP <file>] [ARGUMENTS <argument>…])
#
# <target>  a copy of the server's module MODULE in the build folder, with the bundle of these plug-ins in its iot_handlers
#           folder. It is made anew each time the target is built, and is not part of "all".
#
# PLUGINS are targets of backplane_add_plugin() or files that were built for other architectures. ROOT is what
# "backplane bundle root" has made, with its signatures. With KEYS the release is signed; passwords are asked for on the
# terminal or taken from BACKPLANE_KEY_PASSWORD. ARGUMENTS go to "backplane bundle create" as they are. VERSION is the
# number of the release, which only grows: it belongs into the source, because the build folder does not remember it.
include_guard(GLOBAL)

function(backplane_add_bundle target)
    cmake_parse_arguments(PARSE_ARGV 1 A "" "BUNDLE;VERSION;MODULE;ZIP" "PLUGINS;ROOT;KEYS;ARGUMENTS")
    if(A_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "backplane_add_bundle(${target}): unknown arguments: ${A_UNPARSED_ARGUMENTS}.")
    endif()
    foreach(needed BUNDLE VERSION MODULE PLUGINS)
        if(NOT A_${needed})
            message(FATAL_ERROR "backplane_add_bundle(${target}): ${needed} is missing. Usage: backplane_add_bundle(<target> "
                                "BUNDLE <id> VERSION <n> MODULE <folder> PLUGINS <plug-in or file>… [ROOT …] [KEYS …]).")
        endif()
    endforeach()
    cmake_path(ABSOLUTE_PATH A_MODULE BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
    if(NOT IS_DIRECTORY "${A_MODULE}")
        message(FATAL_ERROR "backplane_add_bundle(${target}): the module ${A_MODULE} is no folder. It is the server's module "
                            "that will carry the bundle.")
    endif()
    string(REGEX REPLACE "/+$" "" A_MODULE "${A_MODULE}")
    cmake_path(GET A_MODULE FILENAME name)
    set(out "${CMAKE_CURRENT_BINARY_DIR}/${name}")
    if(out STREQUAL A_MODULE)
        message(FATAL_ERROR "backplane_add_bundle(${target}): the build folder is the source folder, so the bundle would "
                            "replace ${A_MODULE}: build in a folder of its own, with cmake -B build.")
    endif()
    find_program(BACKPLANE_PROGRAM backplane DOC "The program that makes bundles")
    if(NOT BACKPLANE_PROGRAM)
        message(FATAL_ERROR "backplane_add_bundle(${target}): the program \"backplane\" was not found, and it makes the bundle: "
                            "install it, or give its path with -DBACKPLANE_PROGRAM=….")
    endif()

    set(plugins)
    set(depends)
    foreach(plugin IN LISTS A_PLUGINS)
        if(TARGET ${plugin})
            list(APPEND plugins "$<TARGET_FILE:${plugin}>")
        else()
            cmake_path(ABSOLUTE_PATH plugin BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
            list(APPEND plugins "${plugin}")
        endif()
        list(APPEND depends "${plugin}")
    endforeach()
    set(arguments ${A_ARGUMENTS})
    foreach(root IN LISTS A_ROOT)
        cmake_path(ABSOLUTE_PATH root BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
        list(APPEND arguments --root "${root}")
    endforeach()
    foreach(key IN LISTS A_KEYS)
        cmake_path(ABSOLUTE_PATH key BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
        list(APPEND arguments --key "${key}")
    endforeach()
    if(A_ZIP)
        cmake_path(ABSOLUTE_PATH A_ZIP BASE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}" NORMALIZE)
        list(APPEND arguments --zip "${A_ZIP}")
    endif()

    add_custom_target(${target}
        COMMAND ${CMAKE_COMMAND} -E rm -rf "${out}"
        COMMAND ${CMAKE_COMMAND} -E copy_directory "${A_MODULE}" "${out}"
        COMMAND ${BACKPLANE_PROGRAM} bundle create --bundle ${A_BUNDLE} --version ${A_VERSION} --out "${out}/iot_handlers"
                ${arguments} ${plugins}
        DEPENDS ${depends}
        COMMENT "Making the module ${name} with release ${A_VERSION} of the bundle ${A_BUNDLE}"
        USES_TERMINAL VERBATIM)
endfunction()
