# Zig as CMake's cross compiler (scripts/lib/zig.mjs): it carries the headers and the C libraries of every target, and links
# its C++ runtime statically. The two variables come from the command line:
#   MMCB_ZIG         the zig executable
#   MMCB_ZIG_TARGET  e.g. x86_64-linux-gnu.2.28, aarch64-macos.12.0
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES MMCB_ZIG MMCB_ZIG_TARGET)

if(MMCB_ZIG_TARGET MATCHES "-macos")
  set(CMAKE_SYSTEM_NAME Darwin)
  # The Node-API is in the executable that loads the addon.
  set(CMAKE_SHARED_LINKER_FLAGS_INIT "-s -Wl,-undefined,dynamic_lookup")
  # Else the addon would carry the path at which it was built.
  set(CMAKE_BUILD_WITH_INSTALL_NAME_DIR ON)
  set(CMAKE_INSTALL_NAME_DIR "@rpath")
  set(CMAKE_INSTALL_NAME_TOOL ${MMCB_ZIG}) # CMake insists on one, and never runs it: nothing is installed
else()
  set(CMAKE_SYSTEM_NAME Linux)
  set(CMAKE_SHARED_LINKER_FLAGS_INIT "-s")
endif()
string(REGEX REPLACE "-.*" "" CMAKE_SYSTEM_PROCESSOR ${MMCB_ZIG_TARGET})

set(CMAKE_CXX_COMPILER ${MMCB_ZIG} c++ -target ${MMCB_ZIG_TARGET})
set(CMAKE_CXX_ARCHIVE_CREATE "${MMCB_ZIG} ar qc <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "${MMCB_ZIG} ranlib <TARGET>")
