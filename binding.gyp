# Builds the addon with node-gyp alone (`npx node-gyp rebuild`), from the same list of sources and with the same flags as
# CMakeLists.txt, which is the build everything else uses. It is not in the npm package: npm would run it on install.
{
  "targets": [
    {
      "target_name": "mmcb",
      "sources": [
        "<!@(node -p \"require('fs').readFileSync('native/sources.txt', 'utf8').trim().split(/\\s+/).map((file) => 'native/' + file).join(' ')\")"
      ],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_DEPRECATED", "NAPI_DISABLE_CPP_EXCEPTIONS"],
      "cflags": ["-fvisibility=hidden"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": [
        "-std=c++20", "-fvisibility-inlines-hidden", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror=return-type",
        "-Werror=uninitialized", "-Werror=format", "-Werror=reorder"
      ],
      "configurations": {
        "Release": {
          "defines": ["NDEBUG"],
          "cflags!": ["-O3"],
          "cflags": ["-O2", "-g0"]
        }
      },
      "conditions": [
        ["OS=='linux'", {
          "ldflags": [
            "-pthread", "-static-libstdc++", "-static-libgcc",
            "-Wl,--version-script=<(module_root_dir)/native/binding/exports.map", "-Wl,-z,nodelete", "-Wl,-z,relro", "-Wl,-z,now"
          ]
        }],
        ["OS=='mac'", {
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
            "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
            "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
            "MACOSX_DEPLOYMENT_TARGET": "12.0"
          }
        }]
      ]
    }
  ]
}
