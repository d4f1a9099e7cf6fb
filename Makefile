# Builds the core once (build/libflarelight.a), and the binding and the sandbox once for each Lua.
#
#   make [LUA=lua5.4]   lua5.1, lua5.2, lua5.3, luajit too; CC=gcc or clang
#   make demo | test | bench | install | uninstall | clean | deps
#   make docs           the reference as HTML, and the pictures of the documents
#   make dist | deb     a tarball with its rockspecs; packages for Debian
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
POSTGRES_CFLAGS = $(call ask,POSTGRES_CFLAGS,--cflags libpq)
POSTGRES_LIBS = $(call ask,POSTGRES_LIBS,--libs libpq)
INI_CFLAGS = $(call ask,INI_CFLAGS,--cflags inih)
INI_LIBS = $(call ask,INI_LIBS,--libs inih)
SANDBOX_CFLAGS = $(call ask,SANDBOX_CFLAGS,--cflags libmicrohttpd sqlite3 zlib)
SANDBOX_LIBS = $(call ask,SANDBOX_LIBS,--libs libmicrohttpd sqlite3 zlib)
SHARED = -shared
ifeq ($(shell uname -s),Darwin)
SHARED = -bundle -undefined dynamic_lookup
endif

CORE_SOURCES := $(sort $(wildcard csrc/core/*.c csrc/core/*/*.c))
LUA_SOURCES := $(sort $(wildcard csrc/lua/*.c))
ARCHIVE_SOURCES := $(sort $(wildcard csrc/archive/*.c))
POSTGRES_SOURCES := $(sort $(wildcard csrc/postgres/*.c))
INI_SOURCES := $(sort $(wildcard csrc/ini/*.c))
SANDBOX_SOURCES := $(sort $(wildcard csrc/sandbox/*.c))
LUA_FILES := $(sort $(shell find lua -name '*.lua'))

CORE_OBJECTS = $(CORE_SOURCES:csrc/%.c=$(BUILD)/%.o)
LUA_OBJECTS = $(LUA_SOURCES:csrc/%.c=$(BUILD)/$(LUA)/%.o)
ARCHIVE_OBJECTS = $(ARCHIVE_SOURCES:csrc/%.c=$(BUILD)/$(LUA)/%.o)
POSTGRES_OBJECTS = $(POSTGRES_SOURCES:csrc/%.c=$(BUILD)/$(LUA)/%.o)
INI_OBJECTS = $(INI_SOURCES:csrc/%.c=$(BUILD)/$(LUA)/%.o)
SANDBOX_OBJECTS = $(SANDBOX_SOURCES:csrc/%.c=$(BUILD)/$(LUA)/%.o)
ARCHIVE = $(BUILD)/libflarelight.a
# A part that few programs need is a module of its own. Where its libraries are missing, it is left out, and the others
# are whole; `flarelight version` says which are there. WITHOUT="sandbox archive ini postgres" leaves out more.
WITHOUT ?=
# $(call part,NAME,LIBRARIES) is NAME_core if pkg-config knows the libraries.
part = $(if $(filter $(1),$(WITHOUT)),,$(if $(shell $(PKG_CONFIG) --exists $(2) 2>/dev/null && echo yes),$(1)_core))
PARTS := $(call part,archive,libarchive zlib) $(call part,ini,inih) $(call part,postgres,libpq) \
         $(call part,sandbox,libmicrohttpd sqlite3 zlib)
MODULES = $(patsubst %,$(BUILD)/$(LUA)/flarelight/%.so,core $(PARTS))

.PHONY: all
all: $(MODULES)
	@for part in $(filter-out $(WITHOUT),archive ini postgres sandbox); do case " $(PARTS) " in *" $${part}_core "*) ;; *) \
	   echo "This build is without $$part: \`flarelight version\` lists the parts, \`make deps\` installs what they need." ;; \
	 esac; done

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

$(BUILD)/$(LUA)/postgres/%.o: csrc/postgres/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(LUA_CFLAGS) $(POSTGRES_CFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/$(LUA)/flarelight/postgres_core.so: $(POSTGRES_OBJECTS) $(ARCHIVE)
	@mkdir -p $(@D)
	$(CC) $(SHARED) $(HARDENING_LINK) $(SANITIZER) -pthread $(LDFLAGS) -o $@ $^ $(POSTGRES_LIBS) -ldl

$(BUILD)/$(LUA)/ini/%.o: csrc/ini/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(LUA_CFLAGS) $(INI_CFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/$(LUA)/flarelight/ini_core.so: $(INI_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(SHARED) $(HARDENING_LINK) $(SANITIZER) -pthread $(LDFLAGS) -o $@ $^ $(INI_LIBS)

-include $(CORE_OBJECTS:.o=.d) $(LUA_OBJECTS:.o=.d) $(ARCHIVE_OBJECTS:.o=.d) $(POSTGRES_OBJECTS:.o=.d) \
         $(INI_OBJECTS:.o=.d) $(SANDBOX_OBJECTS:.o=.d)

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
PACKAGES_CORE = gcc make pkg-config libcurl4-openssl-dev libmicrohttpd-dev libsqlite3-dev nettle-dev zlib1g-dev libcsv-dev ca-certificates
PACKAGES_BUILD = $(PACKAGES_CORE) libarchive-dev libinih-dev libpq-dev
PACKAGES_LUA = $(foreach lua,$(1),$(lua) $(call LUA_DEV,$(lua))) lua-cjson lua-argparse
# The hosts that flarelight runs in. spec/tools/openresty has the Lua module of nginx, which needs libpcre3.
PACKAGES_HOSTS = nginx-light libpcre3 wrk neovim love xvfb xauth lua-cqueues lua-copas lua-luv lua-socket
PACKAGES_TEST = $(PACKAGES_HOSTS) zsh fish sqlite3 postgresql xlsx2csv zip xz-utils zstd bzip2 procps perl lua-busted libcmocka-dev openssl curl gnuplot-nox luarocks locales lua-check clang-format
PACKAGES_CHECKS = cppcheck clang clang-tidy libclang-rt-14-dev
PACKAGES_SANITIZERS = clang libclang-rt-14-dev valgrind
PACKAGES_BENCH = $(PACKAGES_HOSTS) procps perl lua-curl python3-requests nodejs golang-go time curl strace

.PHONY: deps deps-test deps-sanitizers bench-deps
deps:
	@sh spec/tools/install $(PACKAGES_BUILD) $(call PACKAGES_LUA,$(LUA))
deps-test:
	@sh spec/tools/install $(PACKAGES_BUILD) $(call PACKAGES_LUA,$(LUAS)) $(PACKAGES_TEST) $(PACKAGES_CHECKS)
deps-sanitizers: deps-test
	@sh spec/tools/install $(PACKAGES_SANITIZERS)
bench-deps:
	@sh spec/tools/install $(PACKAGES_BUILD) $(call PACKAGES_LUA,$(BENCH_LUAS)) $(PACKAGES_BENCH)

# --- the two commands of the README ---
# The demo installs and builds only what its script and the command need, on all processors.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 2))
.PHONY: demo test check
demo:
	@sh spec/tools/install $(PACKAGES_CORE) $(LUA) $(call LUA_DEV,$(LUA)) lua-argparse
	@$(MAKE) --no-print-directory -s $(JOBS) LUA=$(LUA) WITHOUT="$(WITHOUT) archive ini postgres"
	@eval "$$($(MAKE) -s --no-print-directory env LUA=$(LUA))" && $(LUA) examples/quickstart.lua

# Everything: the core's specs, the checks of the project, the Lua specs on every Lua.
test: deps-test
	@sh spec/tools/run $(LUAS)

# The same for one Lua and without looking for packages.
check:
	@sh spec/tools/run $(LUA)

# Both in a bare Debian that is made for them: FRESH_COMMANDS='"make demo"' runs others.
.PHONY: fresh
FRESH_COMMANDS = "make demo" "make test" "make deb-try"
fresh:
	@exec sh spec/tools/fresh $(FRESH_COMMANDS)

# The reference as HTML in build/docs, from the annotations; the pictures of docs/pictures.
PACKAGES_DOCS = lua-ldoc gnuplot-nox tmux
.PHONY: docs docs-deps
docs-deps: deps
	@sh spec/tools/install $(PACKAGES_DOCS)
docs: docs-deps
	@$(MAKE) --no-print-directory -s LUA=$(LUA)
	@eval "$$($(MAKE) -s --no-print-directory env LUA=$(LUA))" && sh spec/tools/docs $(LUA)

# Formats all C by .clang-format; spec/project/format checks it.
.PHONY: format
format:
	@find csrc spec bench fuzz \( -name '*.c' -o -name '*.h' \) -exec clang-format -i {} +

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

# --- static analysis ---
.PHONY: analyze
analyze: deps-test
	@sh spec/tools/analyze $(TOOLS)

# --- coverage: which lines the specs run. SPECS names some of the Lua specs ---
.PHONY: coverage
coverage: deps-test
	@sh spec/tools/coverage

# --- fuzzers: programs of libFuzzer, each with a folder of seeds in fuzz/corpus ---
FUZZERS = $(patsubst fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard fuzz/*.c))
SECONDS ?= 600

$(BUILD)/fuzz/%: fuzz/%.c $(ARCHIVE)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) -iquote fuzz $(CFLAGS_ALL) -fsanitize=fuzzer -MMD -MP -o $@ $< $(ARCHIVE) $(CURL_LIBS) $(CORE_LIBS)

-include $(FUZZERS:=.d)

.PHONY: fuzz fuzzers
fuzzers: $(FUZZERS)
# All of them, for SECONDS together; FUZZERS="json csv" names some.
fuzz: deps-sanitizers
	@sh spec/tools/fuzz $(SECONDS) $(if $(filter command line,$(origin FUZZERS)),$(FUZZERS))

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
BENCHES = rows columns export upload files calls concurrent memory linear nasty
HOST_BENCHES = nginx_latency nginx_requests love_frames
BENCH_DIR = $(BUILD)/bench

.PHONY: bench bench-sides
bench: bench-deps
	@failed=0; for lua in $(BENCH_LUAS); do for bench in $(BENCHES); do \
	   sh bench/run $$bench $$lua || failed=1; done; done; \
	 for bench in $(HOST_BENCHES); do sh bench/hosts $$bench || failed=1; done; sh bench/report; exit $$failed

# The sides that are compiled. Without Go its side is left out.
bench-sides: $(MODULES) $(BENCH_DIR)/easy $(BENCH_DIR)/multi $(if $(shell command -v go),$(BENCH_DIR)/nethttp) \
  $(BENCH_DIR)/$(LUA)/vm_limit.so

$(BENCH_DIR)/easy $(BENCH_DIR)/multi: $(BENCH_DIR)/%: bench/clients/%.c
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
MAN_DIR ?= $(PREFIX)/share/man/man1
BASH_DIR ?= $(PREFIX)/share/bash-completion/completions
ZSH_DIR ?= $(PREFIX)/share/zsh/site-functions
FISH_DIR ?= $(PREFIX)/share/fish/vendor_completions.d

# The man page and the completions: the command writes them. It needs argparse; without it they are left out.
PAGES = $(BUILD)/$(LUA)/pages
.PHONY: pages
pages: $(MODULES)
	@mkdir -p $(PAGES)
	@eval "$$($(MAKE) -s --no-print-directory env LUA=$(LUA) BUILD=$(BUILD))" && unset LUA_INIT && \
	if $(LUA) -e 'require "argparse"' >/dev/null 2>&1; then \
	  $(LUA) bin/flarelight help man >$(PAGES)/flarelight.1 && \
	  for shell in bash zsh fish; do $(LUA) bin/flarelight completion $$shell >$(PAGES)/$$shell || exit 1; done; \
	else rm -f $(PAGES)/*; echo "There is no argparse for $(LUA): no command, man page and completion work without it."; fi

.PHONY: install
install: pages
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
	@page() { [ ! -e "$(PAGES)/$$1" ] || { install -d "$(DESTDIR)$$2" && install -m 644 "$(PAGES)/$$1" "$(DESTDIR)$$2/$$3"; }; }; \
	 page flarelight.1 "$(MAN_DIR)" flarelight.1 && page bash "$(BASH_DIR)" flarelight && \
	 page zsh "$(ZSH_DIR)" _flarelight && page fish "$(FISH_DIR)" flarelight.fish
	@[ -n "$(DESTDIR)" ] || (cd / && $(LUA) -e 'require "flarelight"') >/dev/null 2>&1 || printf '%s\n' \
	  "The command finds its modules. For scripts of your own:" \
	  "  export LUA_PATH='$(SHARE_DIR)/?.lua;$(SHARE_DIR)/?/init.lua;;' LUA_CPATH='$(MODULE_DIR)/?.so;;'"

# Removes what `install` with the same variables has installed, and the folders that are empty then.
.PHONY: uninstall
uninstall:
	rm -f "$(DESTDIR)$(MODULE_DIR)/flarelight/core.so" "$(DESTDIR)$(MODULE_DIR)"/flarelight/*_core.so
	cd lua && find flarelight -name '*.lua' -exec sh -c 'for file do rm -f "$(DESTDIR)$(SHARE_DIR)/$$file"; done' sh {} +
	rm -f "$(DESTDIR)$(BIN_DIR)/flarelight" "$(DESTDIR)$(MAN_DIR)/flarelight.1" "$(DESTDIR)$(BASH_DIR)/flarelight" \
	  "$(DESTDIR)$(ZSH_DIR)/_flarelight" "$(DESTDIR)$(FISH_DIR)/flarelight.fish"
	@for folder in "$(DESTDIR)$(MODULE_DIR)/flarelight" "$(DESTDIR)$(SHARE_DIR)/flarelight"; do \
	   [ ! -d "$$folder" ] || find "$$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true; done

# --- distribution: build/dist has the tarball and its rockspecs, build/deb the packages of Debian ---
VERSION = $(shell sed -n 's/^\#define FL_VERSION "\(.*\)"/\1/p' csrc/core/base/base.h)
NAME = flarelight-$(VERSION)

# A tarball of the last commit (of the tree itself, if it is no clone of git), and a rockspec of each rock for it.
.PHONY: dist
dist:
	@rm -rf $(BUILD)/dist && mkdir -p $(BUILD)/dist
	@if git rev-parse --git-dir >/dev/null 2>&1 && [ "$$(git rev-parse --show-prefix)" = "" ]; then \
	  git archive --prefix=$(NAME)/ HEAD | gzip -n >$(BUILD)/dist/$(NAME).tar.gz; \
	  [ -z "$$(git status --porcelain)" ] || echo "This tree has changes that are not committed, and they are not in the tarball."; \
	else tar -c --exclude=./build --exclude=./debian/*/ --transform 's,^\.,$(NAME),' . | \
	  gzip -n >$(BUILD)/dist/$(NAME).tar.gz; fi
	@for rock in flarelight flarelight-archive flarelight-ini flarelight-postgres; do \
	  sed -e 's/^version = "dev-1"/version = "$(VERSION)-1"/' \
	    -e 's,^source = .*,source = { url = "file://$(NAME).tar.gz"\, dir = "$(NAME)" },' \
	    -e 's/, built from this tree: luarocks make .*/ $(VERSION)/' \
	    rockspec/$$rock-dev-1.rockspec >$(BUILD)/dist/$$rock-$(VERSION)-1.rockspec; done
	@echo "$(BUILD)/dist: $$(cd $(BUILD)/dist && echo *)"

PACKAGES_DEB = build-essential debhelper lintian fakeroot
.PHONY: deb deb-deps
deb-deps:
	@sh spec/tools/install $(PACKAGES_BUILD) $(call PACKAGES_LUA,$(filter-out luajit,$(LUAS))) $(PACKAGES_DEB)

# lua-flarelight and flarelight, built from the tarball alone; lintian must find no errors.
deb: deb-deps dist
	@rm -rf $(BUILD)/deb && mkdir -p $(BUILD)/deb
	@tar -xzf $(BUILD)/dist/$(NAME).tar.gz -C $(BUILD)/deb
	@cd $(BUILD)/deb/$(NAME) && env -u MAKEFLAGS -u MAKELEVEL -u CI dpkg-buildpackage -b -us -uc >../log 2>&1 || \
	  { tail -40 ../log; exit 1; }
	@cd $(BUILD)/deb && mkdir tmp && TMPDIR=$$PWD/tmp lintian --fail-on error --tag-display-limit 0 *.changes && rm -rf tmp
	@echo "$(BUILD)/deb: $$(cd $(BUILD)/deb && echo *.deb)"

# Installs both packages, uses them with each Lua, and removes them: for a bare machine, as `make fresh` makes it.
.PHONY: deb-try
deb-try: deb
	@sh spec/tools/deb $(BUILD)/deb

.PHONY: clean
clean:
	rm -rf $(BUILD)
