-- A state in PostgreSQL for flarelight, built from this tree: luarocks make rockspec/flarelight-postgres-dev-1.rockspec
--
-- A rock of its own, because it alone needs libpq. flarelight loads its module where the option `state` is a URL of
-- PostgreSQL. Debian has the header in the folder `postgresql`; elsewhere PQ_INCDIR names the folder above it.
rockspec_format = "3.0"
package = "flarelight-postgres"
version = "dev-1"
source = { url = "file://." }
description = {
   summary = "A state in PostgreSQL for flarelight",
   detailed = [[
Lets the processes of many machines share one journal of uploads, in a PostgreSQL database.]],
   license = "MIT",
}
supported_platforms = { "unix" }
dependencies = { "lua >= 5.1, < 5.5", "flarelight" }
external_dependencies = { PQ = { header = "postgresql/libpq-fe.h" } }
build = {
   type = "builtin",
   modules = {
      ["flarelight.postgres_core"] = {
         sources = { "csrc/core/base/buffer.c", "csrc/core/base/clock.c", "csrc/core/base/permit.c",
                     "csrc/core/files/script.c", "csrc/postgres/connection.c",
                     "csrc/postgres/database.c", "csrc/postgres/dialect.c", "csrc/postgres/module.c",
                     "csrc/postgres/plain_locale.c", "csrc/postgres/query.c", "csrc/postgres/schema.c",
                     "csrc/postgres/script.c" },
         defines = { "_GNU_SOURCE" },
         incdirs = { "csrc/core", "$(PQ_INCDIR)/postgresql", "$(PQ_INCDIR)" },
         libdirs = { "$(PQ_LIBDIR)" },
         libraries = { "pq", "pthread" },
      },
   },
}
