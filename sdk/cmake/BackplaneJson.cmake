# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
#
# Backplane::json: Boost.JSON from source, compiled once in each project that needs it. Objects instead of an archive:
# whatever else is on the link line (a libboost_json.so of a test, for instance), plug-in code gets this one.
include_guard(GLOBAL)

get_property(_bp_sources GLOBAL PROPERTY BACKPLANE_SDK_SOURCE_DIR)
add_library(backplane_json_objects OBJECT EXCLUDE_FROM_ALL "${_bp_sources}/boost_json.cpp")
target_link_libraries(backplane_json_objects PUBLIC Boost::headers)
target_compile_features(backplane_json_objects PUBLIC cxx_std_20)
target_compile_options(backplane_json_objects PRIVATE -ffunction-sections -fdata-sections)
set_target_properties(backplane_json_objects PROPERTIES POSITION_INDEPENDENT_CODE ON)

add_library(backplane_json INTERFACE)
add_library(Backplane::json ALIAS backplane_json)
target_link_libraries(backplane_json INTERFACE $<TARGET_OBJECTS:backplane_json_objects> Boost::headers)
unset(_bp_sources)
