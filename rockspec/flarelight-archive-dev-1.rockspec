-- Compressed files for flarelight, built from this tree: luarocks make rockspec/flarelight-archive-dev-1.rockspec
--
-- A rock of its own, because it alone needs libarchive. flarelight loads its module where the name of a file ends in
-- .gz, .zst, .xz, .bz2 or .zip.
rockspec_format = "3.0"
package = "flarelight-archive"
version = "dev-1"
source = { url = "file://." }
description = {
   summary = "Compressed files for flarelight",
   detailed = [[
Lets flarelight read CSV and JSON files that are compressed by gzip, zstd, xz, bzip2 or zip.]],
   license = "MIT",
}
supported_platforms = { "unix" }
dependencies = { "lua >= 5.1, < 5.5", "flarelight" }
external_dependencies = { ARCHIVE = { header = "archive.h" }, ZLIB = { header = "zlib.h" } }
build = {
   type = "builtin",
   modules = {
      ["flarelight.archive_core"] = {
         sources = { "csrc/archive/ahead.c", "csrc/archive/gzip.c", "csrc/archive/module.c",
                     "csrc/archive/pack.c", "csrc/archive/packed.c" },
         defines = { "_GNU_SOURCE" },
         incdirs = { "csrc/core", "$(ARCHIVE_INCDIR)", "$(ZLIB_INCDIR)" },
         libdirs = { "$(ARCHIVE_LIBDIR)", "$(ZLIB_LIBDIR)" },
         libraries = { "archive", "z", "pthread" },
      },
   },
}
