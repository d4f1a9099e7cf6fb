# Builds the core once (build/libflarelight.a), and the binding and the sandbox once for each Lua.
#
#   make [LUA=lua5.4]   lua5.1, lua5.2, lua5.3, luajit too; CC=gcc or clang
#   make demo | test | bench | install | clean | deps
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
CFLAGS_ALL = -std=c11 -fPIC -fvisibility=hidden -pthread $(OPTIMIZE) $(WARNINGS) $(SANITIZER) $(CFLAGS)

# A Lua's headers go by several names from one system to the next.
LUA_VERSION = $(patsubst lua%,%,$(LUA))
LUA_PACKAGE := $(firstword $(foreach name,$(LUA) lua-$(LUA_VERSION) lua$(subst .,,$(LUA_VERSION)),\
                 $(shell $(PKG_CONFIG) --exists $(name) 2>/dev/null && echo $(name))) $(LUA))
LUA_CFLAGS ?= $(shell $(PKG_CONFIG) --cflags $(LUA_PACKAGE))
# Where Lua modules go: luajit reads those of 5.1.
LUA_API = $(if $(filter luajit,$(LUA)),5.1,$(LUA_VERSION))

CURL_CFLAGS := $(shell $(PKG_CONFIG) --cflags libcurl)
CURL_LIBS := $(shell $(PKG_CONFIG) --libs libcurl)
SANDBOX_CFLAGS := $(shell $(PKG_CONFIG) --cflags libmicrohttpd sqlite3 zlib)
SANDBOX_LIBS := $(shell $(PKG_CONFIG) --libs libmicrohttpd sqlite3 zlib)
SHARED = -shared
ifeq ($(shell uname -s),Darwin)
SHARED = -bundle -undefined dynamic_lookup
endif

CORE_SOURCES := $(sort $(wildcard csrc/core/*.c))
LUA_SOURCES := $(sort $(wildcard csrc/lua/*.c))
SANDBOX_SOURCES := $(sort $(wildcard csrc/sandbox/*.c))
LUA_FILES := $(sort $(shell find lua -name '*.lua'))

CORE_OBJECTS = $(CORE_SOURCES:csrc/%.c=$(BUILD)/%.o)
LUA_OBJECTS = $(LUA_SOURCES:csrc/%.c=$(BUILD)/$(LUA)/%.o)
SANDBOX_OBJECTS = $(SANDBOX_SOURCES:csrc/%.c=$(BUILD)/$(LUA)/%.o)
ARCHIVE = $(BUILD)/libflarelight.a
MODULES = $(BUILD)/$(LUA)/flarelight/core.so $(BUILD)/$(LUA)/flarelight/sandbox_core.so

.PHONY: all
all: $(MODULES)

$(BUILD)/core/%.o: csrc/core/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CURL_CFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

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
	$(CC) $(SHARED) $(SANITIZER) -pthread $(LDFLAGS) -o $@ $^ $(CURL_LIBS) -lcsv -lm

$(BUILD)/$(LUA)/flarelight/sandbox_core.so: $(SANDBOX_OBJECTS) $(ARCHIVE)
	@mkdir -p $(@D)
	$(CC) $(SHARED) $(SANITIZER) -pthread $(LDFLAGS) -o $@ $^ $(SANDBOX_LIBS) -lcsv -lm

-include $(CORE_OBJECTS:.o=.d) $(LUA_OBJECTS:.o=.d) $(SANDBOX_OBJECTS:.o=.d)

.PHONY: env
env:
	@quote() { printf "'%s'" "$$(printf %s "$$1" | sed "s/'/'\\\\''/g")"; }; \
	 printf 'export LUA_PATH=%s LUA_CPATH=%s PATH=%s\n' \
	   "$$(quote '$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;')" \
	   "$$(quote '$(abspath $(BUILD))/$(LUA)/?.so;;')" \
	   "$$(quote '$(CURDIR)/bin':"$$PATH")"

# --- specs of the core: C programs over cmocka, one a file of policy ---
CORE_SPEC_SOURCES := $(sort $(wildcard spec/core/*_spec.c))
CORE_SPECS = $(CORE_SPEC_SOURCES:spec/core/%.c=$(BUILD)/spec/%)

$(BUILD)/spec/%: spec/core/%.c $(ARCHIVE)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -o $@ $< $(ARCHIVE) $(CURL_LIBS) -lcmocka -lcsv -lm

-include $(CORE_SPECS:=.d)

.PHONY: core-specs
core-specs: $(CORE_SPECS)
	@for spec in $(CORE_SPECS); do $$spec || exit 1; done

.PHONY: clean
clean:
	rm -rf $(BUILD)
