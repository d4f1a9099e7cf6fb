# Builds the core once (build/libflarelight.a), and the binding and the sandbox once for each Lua.
#
#   make [LUA=lua5.4]   lua5.1, lua5.2, lua5.3, luajit too; CC=gcc or clang
#   make demo | test | bench | install | clean | deps
#   make fresh          demo and test in a bare Debian that it makes and removes
#   eval "$(make -s env LUA=lua5.4)"   lets any script run against the build
#
# Needs gcc or clang, make and the packages that `make deps` names.

LUA ?= lua5.4
LUAS = lua5.1 lua5.2 lua5.3 lua5.4 luajit
PREFIX ?= /usr/local
BUILD ?= build
PKG_CONFIG ?= pkg-config

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wformat=2
# CI=true (as CI systems set it) or WERROR=1 makes every warning an error.
ifneq ($(CI)$(WERROR),)
WARNINGS += -Werror
endif
OPTIMIZE ?= -O2 -g
CPPFLAGS_ALL = -D_GNU_SOURCE -iquote csrc/core $(CPPFLAGS)
# pkg-config does not know libcsv: its header is looked for.
CFLAGS_ALL = $(call header,csv.h)-std=c11 -fPIC -fvisibility=hidden -pthread $(OPTIMIZE) $(WARNINGS) $(HARDENING) \
             $(SANITIZER) $(CFLAGS)

# Hardening: those flags of the lists that the compiler and the linker take without a warning; `HARDENING= \
# HARDENING_LINK=` builds without. A sanitizer misses calls that _FORTIFY_SOURCE replaces, so it is left out there. A
# value that CPPFLAGS or CFLAGS set is kept.
FORTIFY = $(if $(SANITIZER)$(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
HARDENING_WANTED = $(call taken,-c,-fstack-protector-strong) $(call taken,-c,$(FORTIFY)) \
                   $(call taken,-c,-fstack-clash-protection) $(call taken,-c,-fcf-protection)
HARDENING ?= $(call once,HARDENING_WANTED)
HARDENING_LINK_WANTED = $(call taken,$(SHARED),-Wl$(comma)-z$(comma)relro$(comma)-z$(comma)now)
HARDENING_LINK ?= $(call once,HARDENING_LINK_WANTED)
comma := ,
# $(call taken,STEP,FLAGS) is FLAGS if the compiler takes them in the step (-c or the flags of a link), else empty.
taken = $(if $(2),$(shell $(CC) $(CPPFLAGS) $(OPTIMIZE) $(CFLAGS) -fPIC -Werror $(2) $(1) -include stdio.h \
          -o /dev/null -x c /dev/null >/dev/null 2>&1 && echo '$(2)'))
# $(call once,NAME) is the value of the variable NAME, expanded at its first use only.
once = $(if $(filter undefined,$(origin $(1)_ONCE)),$(eval $(1)_ONCE := $$($(1))))$($(1)_ONCE)

# $(call ask,NAME,QUESTION) is what pkg-config answers. The first recipe that needs it asks, and NAME_ANSWER
# keeps it. So a target that compiles nothing needs no pkg-config.
ask = $(if $(filter undefined,$(origin $(1)_ANSWER)),$(eval $(1)_ANSWER := \
        $$(shell $(PKG_CONFIG) $(2) 2>/dev/null || echo missing)))$(if $(filter missing,$($(1)_ANSWER)),$(call \
        missing,`$(PKG_CONFIG) $(2)` fails))$($(1)_ANSWER)
# $(call header,FILE) is empty. It stops the build where the compiler does not find the header FILE.
header = $(if $(filter undefined,$(origin $(1)_FOUND)),$(eval $(1)_FOUND := \
           $$(shell $(CC) $(CPPFLAGS) $(CFLAGS) -include $(1) -E -x c /dev/null >/dev/null 2>&1 && echo yes)))$(if \
           $($(1)_FOUND),,$(call missing,`$(CC)` does not find $(1)))
missing = $(error $(1): the build needs packages that are missing. `make deps$(if \
            $(filter-out lua5.4,$(LUA)), LUA=$(LUA))` installs them)

# A Lua's headers go by several names from one system to the next.
LUA_VERSION = $(patsubst lua%,%,$(LUA))
LUA_PACKAGE = $(eval LUA_PACKAGE := $$(firstword $$(foreach name,$(LUA) lua-$(LUA_VERSION) lua$(subst .,,$(LUA_VERSION)),\
                $$(shell $(PKG_CONFIG) --exists $$(name) 2>/dev/null && echo $$(name))) $(LUA)))$(LUA_PACKAGE)
LUA_CFLAGS ?= $(call ask,LUA_CFLAGS,--cflags $(LUA_PACKAGE))
# Where Lua modules go: luajit reads those of 5.1.
LUA_API = $(if $(filter luajit,$(LUA)),5.1,$(LUA_VERSION))

CURL_CFLAGS = $(call ask,CURL_CFLAGS,--cflags libcurl)
CURL_LIBS = $(call ask,CURL_LIBS,--libs libcurl)
CORE_CFLAGS = $(call ask,CORE_CFLAGS,--cflags sqlite3 nettle)
CORE_LIBS = $(call ask,CORE_LIBS,--libs sqlite3 nettle) -lcsv -lm
ARCHIVE_CFLAGS = $(call ask,ARCHIVE_CFLAGS,--cflags libarchive zlib)
ARCHIVE_LIBS = $(call ask,ARCHIVE_LIBS,--libs libarchive zlib)
SANDBOX_CFLAGS = $(call ask,SANDBOX_CFLAGS,--cflags libmicrohttpd sqlite3 zlib)
SANDBOX_LIBS = $(call ask,SANDBOX_LIBS,--libs libmicrohttpd sqlite3 zlib)
SHARED = -shared
ifeq ($(shell uname -s),Darwin)
SHARED = -bundle -undefined dynamic_lookup
endif

CORE_SOURCES := $(sort $(wildcard csrc/core/*.c csrc/core/*/*.c))
LUA_SOURCES := $(sort $(wildcard csrc/lua/*.c))
ARCHIVE_SOURCES := $(sort $(wildcard csrc/archive/*.c))
SANDBOX_SOURCES := $(sort $(wildcard csrc/sandbox/*.c))
LUA_FILES := $(sort $(shell find lua -name '*.lua'))

CORE_OBJECTS = $(CORE_SOURCES:csrc/%.c=$(BUILD)/%.o)
LUA_OBJECTS = $(LUA_SOURCES:csrc/%.c=$(BUILD)/$(LUA)/%.o)
ARCHIVE_OBJECTS = $(ARCHIVE_SOURCES:csrc/%.c=$(BUILD)/$(LUA)/%.o)
SANDBOX_OBJECTS = $(SANDBOX_SOURCES:csrc/%.c=$(BUILD)/$(LUA)/%.o)
ARCHIVE = $(BUILD)/libflarelight.a
# Compressed files need libarchive. Without it the module that reads them is not built, and the others are whole.
ARCHIVE_MODULE := $(if $(shell $(PKG_CONFIG) --exists libarchive zlib 2>/dev/null && echo yes),archive_core)
MODULES = $(patsubst %,$(BUILD)/$(LUA)/flarelight/%.so,core sandbox_core $(ARCHIVE_MODULE))

.PHONY: all
all: $(MODULES)

$(BUILD)/core/%.o: csrc/core/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CURL_CFLAGS) $(CORE_CFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(ARCHIVE): $(CORE_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/$(LUA)/lua/%.o: csrc/lua/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(LUA_CFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/$(LUA)/sandbox/%.o: csrc/sandbox/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(LUA_CFLAGS) $(SANDBOX_CFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/$(LUA)/flarelight/core.so: $(LUA_OBJECTS) $(ARCHIVE)
	@mkdir -p $(@D)
	$(CC) $(SHARED) $(HARDENING_LINK) $(SANITIZER) -pthread $(LDFLAGS) -o $@ $^ $(CURL_LIBS) $(CORE_LIBS)

$(BUILD)/$(LUA)/flarelight/sandbox_core.so: $(SANDBOX_OBJECTS) $(ARCHIVE)
	@mkdir -p $(@D)
	$(CC) $(SHARED) $(HARDENING_LINK) $(SANITIZER) -pthread $(LDFLAGS) -o $@ $^ $(SANDBOX_LIBS) -lm

$(BUILD)/$(LUA)/archive/%.o: csrc/archive/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(LUA_CFLAGS) $(ARCHIVE_CFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/$(LUA)/flarelight/archive_core.so: $(ARCHIVE_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(SHARED) $(HARDENING_LINK) $(SANITIZER) -pthread $(LDFLAGS) -o $@ $^ $(ARCHIVE_LIBS) -ldl

-include $(CORE_OBJECTS:.o=.d) $(LUA_OBJECTS:.o=.d) $(ARCHIVE_OBJECTS:.o=.d) $(SANDBOX_OBJECTS:.o=.d)

# The chosen flags, for spec/project/hardened.
.PHONY: hardening
hardening:
	@echo $(HARDENING) $(HARDENING_LINK)

.PHONY: env
env:
	@quote() { printf "'%s'" "$$(printf %s "$$1" | sed "s/'/'\\\\''/g")"; }; \
	 printf 'export LUA_PATH=%s LUA_CPATH=%s PATH=%s FLARELIGHT_LUA=$(LUA)\n' \
	   "$$(quote '$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;')" \
	   "$$(quote '$(abspath $(BUILD))/$(LUA)/?.so;;')" \
	   "$$(quote '$(CURDIR)/bin':"$$PATH")"

# --- specs of the core: C programs over cmocka; spec/core mirrors csrc/core ---
CORE_SPEC_SOURCES := $(sort $(wildcard spec/core/*/*_spec.c))
CORE_SPECS = $(CORE_SPEC_SOURCES:spec/core/%.c=$(BUILD)/spec/%)

$(BUILD)/spec/%: spec/core/%.c $(ARCHIVE)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) -iquote spec/core $(CFLAGS_ALL) -MMD -MP -o $@ $< $(ARCHIVE) $(CURL_LIBS) -lcmocka $(CORE_LIBS)

-include $(CORE_SPECS:=.d)

.PHONY: core-specs core-specs-build core-specs-list
core-specs-build: $(CORE_SPECS)
core-specs-list:
	@echo $(CORE_SPECS)
core-specs: $(CORE_SPECS)
	@for spec in $(CORE_SPECS); do $$spec || exit 1; done

# --- helpers of the process specs, for each Lua: a module, and programs that embed Lua ---
LUA_LIBS ?= $(call ask,LUA_LIBS,--libs $(LUA_PACKAGE))
PROCESS_HELPERS = $(BUILD)/$(LUA)/spec_process.so $(BUILD)/$(LUA)/spec/embed $(BUILD)/$(LUA)/spec/embed_static \
                  $(BUILD)/$(LUA)/memory/host $(BUILD)/$(LUA)/memory/flarelight/core.so
EMBED = $(CC) $(CPPFLAGS_ALL) $(LUA_CFLAGS) $(CFLAGS_ALL) -o $@

$(BUILD)/$(LUA)/spec_process.so: spec/process/spec_process.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(LUA_CFLAGS) $(CFLAGS_ALL) $(SHARED) $(LDFLAGS) -o $@ $<

$(BUILD)/$(LUA)/spec/embed: spec/process/embed.c
	@mkdir -p $(@D)
	$(EMBED) $< $(LUA_LIBS) -lm -ldl

# Lua's library comes as a shared one, so that the sandbox's module finds the same.
$(BUILD)/$(LUA)/spec/embed_static: spec/process/embed.c $(LUA_OBJECTS) $(ARCHIVE)
	@mkdir -p $(@D)
	$(EMBED) -DPRELOAD $^ $(LUA_LIBS) $(CURL_LIBS) $(CORE_LIBS) -ldl

.PHONY: process-helpers
process-helpers: $(PROCESS_HELPERS)

# --- packages ---
# What a build and its tests need, by Debian's names; other systems have them under names of their own.
LUA_DEV = $(if $(filter luajit,$(1)),libluajit-5.1-dev,lib$(1)$(if $(filter lua5.1,$(1)),-0)-dev)
PACKAGES_BUILD = gcc make pkg-config libcurl4-openssl-dev libmicrohttpd-dev libsqlite3-dev nettle-dev zlib1g-dev libcsv-dev libarchive-dev ca-certificates
PACKAGES_LUA = $(foreach lua,$(1),$(lua) $(call LUA_DEV,$(lua))) lua-cjson lua-argparse
# The hosts that flarelight runs in. spec/tools/openresty has the Lua module of nginx, which needs libpcre3.
PACKAGES_HOSTS = nginx-light libpcre3 wrk neovim love xvfb xauth lua-cqueues lua-copas lua-luv lua-socket
PACKAGES_TEST = $(PACKAGES_HOSTS) sqlite3 xlsx2csv zip xz-utils zstd bzip2 procps perl lua-busted libcmocka-dev openssl curl gnuplot-nox luarocks locales lua-check clang-format
PACKAGES_SANITIZERS = clang libclang-rt-14-dev valgrind
PACKAGES_BENCH = $(PACKAGES_HOSTS) procps perl lua-curl python3-requests nodejs golang-go time curl

.PHONY: deps deps-test deps-sanitizers bench-deps
deps:
	@sh spec/tools/install $(PACKAGES_BUILD) $(call PACKAGES_LUA,$(LUA))
deps-test:
	@sh spec/tools/install $(PACKAGES_BUILD) $(call PACKAGES_LUA,$(LUAS)) $(PACKAGES_TEST)
deps-sanitizers: deps-test
	@sh spec/tools/install $(PACKAGES_SANITIZERS)
bench-deps:
	@sh spec/tools/install $(PACKAGES_BUILD) $(call PACKAGES_LUA,$(BENCH_LUAS)) $(PACKAGES_BENCH)

# --- the two commands of the README ---
.PHONY: demo test check
demo: deps
	@$(MAKE) --no-print-directory -s LUA=$(LUA)
	@eval "$$($(MAKE) -s --no-print-directory env LUA=$(LUA))" && $(LUA) examples/quickstart.lua

# Everything: the core's specs, the checks of the project, the Lua specs on every Lua.
test: deps-test
	@sh spec/tools/run $(LUAS)

# The same for one Lua and without looking for packages.
check:
	@sh spec/tools/run $(LUA)

# Both in a bare Debian that is made for them: FRESH_COMMANDS='"make demo"' runs others.
.PHONY: fresh
FRESH_COMMANDS = "make demo" "make test"
fresh:
	@exec sh spec/tools/fresh $(FRESH_COMMANDS)

# Formats all C by .clang-format; spec/project/format checks it.
.PHONY: format
format:
	@find csrc spec bench \( -name '*.c' -o -name '*.h' \) -exec clang-format -i {} +

# Random calls under random faults for MINUTES: the suite makes half a minute of it. SEED repeats the choices of another.
.PHONY: soak
MINUTES ?= 10
soak: deps
	@sh spec/tools/soak $(LUA) $$(($(MINUTES) * 60)) $(SEED)

# A thousand reloads of nginx under load: the suite makes ten.
.PHONY: reloads
RELOADS ?= 1000
reloads: deps-test
	@$(MAKE) --no-print-directory -s LUA=luajit
	@eval "$$($(MAKE) -s --no-print-directory env LUA=luajit)" && \
	  LUA_PATH="spec/?.lua;$$LUA_PATH" luajit spec/host/reloads.lua $(RELOADS)

# Every point of docs/torture.md: the suite has some of them.
.PHONY: torture
torture: deps
	@$(MAKE) --no-print-directory -s LUA=$(LUA)
	@eval "$$($(MAKE) -s --no-print-directory env LUA=$(LUA))" && $(LUA) bin/flarelight torture spec/torture/loading.lua

# --- sanitizers: the specs under clang's, with a Lua host that is linked for them ---

.PHONY: asan tsan valgrind
asan: deps-sanitizers
	@sh spec/tools/sanitized address
tsan: deps-sanitizers
	@sh spec/tools/sanitized thread
valgrind: deps-sanitizers
	@sh spec/tools/valgrind $(LUA)

# The host: Lua's own library, linked with the sanitizer's runtime (preloading the runtime crashes).
$(BUILD)/host/$(LUA): spec/tools/host.c
	@mkdir -p $(@D)
	$(CC) $(LUA_CFLAGS) -O1 -g $(SANITIZER) -o $@ $< $(LUA_LIBS) -rdynamic -ldl -lm
.PHONY: host
host: $(BUILD)/host/$(LUA)

# --- memory that runs out: the n-th allocation fails, for each n. The suite has a sample ---
MEMORY = $(BUILD)/$(LUA)/memory
WRAP = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup,--wrap=free

# The module's allocations go through the host, which has the functions __wrap_….
$(MEMORY)/flarelight/core.so: $(LUA_OBJECTS) $(ARCHIVE)
	@mkdir -p $(@D)
	$(CC) $(SHARED) $(SANITIZER) -pthread $(LDFLAGS) $(WRAP) -o $@ $^ $(CURL_LIBS) $(CORE_LIBS)

$(MEMORY)/host: spec/memory/host.c
	@mkdir -p $(@D)
	$(EMBED) $(SANITIZER) -rdynamic $< $(LUA_LIBS) $(CURL_LIBS) $(CORE_LIBS) -ldl

.PHONY: memory memory-host
memory-host: $(MEMORY)/host $(MEMORY)/flarelight/core.so
STEP ?= 1
memory: deps
	@$(MAKE) --no-print-directory -s LUA=$(LUA) all memory-host
	@eval "$$($(MAKE) -s --no-print-directory env LUA=$(LUA))" && LUA_PATH="spec/?.lua;$$LUA_PATH" \
	  $(LUA) spec/memory/sweep.lua $(MEMORY)/host "$(abspath $(MEMORY))/?.so" $(STEP) $(SOURCES)

# --- benchmarks: docs/performance.md; one of them alone is `sh bench/run rows lua5.4` ---
BENCH_LUAS ?= lua5.4 luajit
BENCHES = rows columns export upload files calls concurrent memory linear
HOST_BENCHES = nginx_latency nginx_requests love_frames
BENCH_DIR = $(BUILD)/bench

.PHONY: bench bench-sides
bench: bench-deps
	@failed=0; for lua in $(BENCH_LUAS); do for bench in $(BENCHES); do \
	   sh bench/run $$bench $$lua || failed=1; done; done; \
	 for bench in $(HOST_BENCHES); do sh bench/hosts $$bench || failed=1; done; sh bench/report; exit $$failed

# The sides that are compiled. Without Go its side is left out.
bench-sides: $(MODULES) $(BENCH_DIR)/easy $(if $(shell command -v go),$(BENCH_DIR)/nethttp) \
  $(BENCH_DIR)/$(LUA)/vm_limit.so

$(BENCH_DIR)/easy: bench/clients/easy.c
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE $(CURL_CFLAGS) $(CFLAGS_ALL) -o $@ $< $(CURL_LIBS)

$(BENCH_DIR)/nethttp: bench/clients/nethttp.go
	@mkdir -p $(@D)
	GOFLAGS= GO111MODULE=off GOCACHE=$(abspath $(BENCH_DIR))/go go build -o $@ $<

$(BENCH_DIR)/$(LUA)/vm_limit.so: bench/vm_limit.c $(ARCHIVE)
	@mkdir -p $(@D)
	$(CC) $(SHARED) $(CPPFLAGS_ALL) $(LUA_CFLAGS) $(CFLAGS_ALL) -o $@ $^

# --- install ---
MODULE_DIR ?= $(PREFIX)/lib/lua/$(LUA_API)
SHARE_DIR ?= $(PREFIX)/share/lua/$(LUA_API)
BIN_DIR ?= $(PREFIX)/bin

.PHONY: install
install: $(MODULES)
	install -d "$(DESTDIR)$(MODULE_DIR)/flarelight"
	install -m 755 $(MODULES) "$(DESTDIR)$(MODULE_DIR)/flarelight/"
	cd lua && find flarelight -name '*.lua' -exec sh -c 'for file do \
	  install -d "$(DESTDIR)$(SHARE_DIR)/$$(dirname "$$file")" && \
	  install -m 644 "$$file" "$(DESTDIR)$(SHARE_DIR)/$$file" || exit 1; done' sh {} +
	install -d "$(DESTDIR)$(BIN_DIR)"
	LUA=$(LUA) API=$(LUA_API) SHARE="$(SHARE_DIR)" MODULES="$(MODULE_DIR)" awk '\
	  /^-- PATHS:/ { \
	    print "local version = \"/lua/\" .. _VERSION:match \"[%d.]+\" .. \"/\""; \
	    print "local function own(path) return (path:gsub(\"/lua/" ENVIRON["API"] "/\", version)) end"; \
	    print "package.path = own [[" ENVIRON["SHARE"] "/?.lua;" ENVIRON["SHARE"] "/?/init.lua;]] .. package.path"; \
	    print "package.cpath = own [[" ENVIRON["MODULES"] "/?.so;]] .. package.cpath"; next } \
	  { sub(":-lua5[.]4}", ":-" ENVIRON["LUA"] "}"); print }' bin/flarelight >"$(DESTDIR)$(BIN_DIR)/flarelight"
	chmod 755 "$(DESTDIR)$(BIN_DIR)/flarelight"
	@[ -n "$(DESTDIR)" ] || (cd / && $(LUA) -e 'require "flarelight"') >/dev/null 2>&1 || printf '%s\n' \
	  "The command finds its modules. For scripts of your own:" \
	  "  export LUA_PATH='$(SHARE_DIR)/?.lua;$(SHARE_DIR)/?/init.lua;;' LUA_CPATH='$(MODULE_DIR)/?.so;;'"

.PHONY: clean
clean:
	rm -rf $(BUILD)
