-- Environments for flarelight, built from this tree: luarocks make rockspec/flarelight-ini-dev-1.rockspec
--
-- A rock of its own, because it alone needs libinih. flarelight loads its module where an environment is named.
rockspec_format = "3.0"
package = "flarelight-ini"
version = "dev-1"
source = { url = "file://." }
description = {
   summary = "Environments for flarelight",
   detailed = [[
Lets flarelight read the settings of an environment from its configuration file.]],
   license = "MIT",
}
supported_platforms = { "unix" }
dependencies = { "lua >= 5.1, < 5.5", "flarelight" }
external_dependencies = { INIH = { header = "ini.h" } }
build = {
   type = "builtin",
   modules = {
      ["flarelight.ini_core"] = {
         sources = { "csrc/ini/module.c" },
         defines = { "_GNU_SOURCE" },
         incdirs = { "$(INIH_INCDIR)" },
         libdirs = { "$(INIH_LIBDIR)" },
         libraries = { "inih" },
      },
   },
}
