# Repobus. `make help` lists what there is; `make run` is the place to start.

SHELL   := /bin/bash
BUILD   ?= build
VERSION := 1.2.0# of librepobus and its header: semver.org; the first number is the soname's
CC      ?= gcc
CXX     ?= g++
PKGS    := libh2o-evloop libnats libjwt libsodium libgit2 jansson libpq libcurl openssl yaml-0.1 libxml-2.0 libcmark popt simdjson re2

WARN    := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings
CFLAGS  ?= -O2 -g
CFLAGS  += -std=gnu17 -D_GNU_SOURCE -DH2O_USE_LIBUV=0 -pthread -fno-omit-frame-pointer -fstack-protector-strong
LDFLAGS += -pthread
ifdef SANITIZE
CFLAGS  += -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS += -fsanitize=address,undefined
endif
ifdef FUZZ
CC      := clang-14
CXX     := clang++-14
CFLAGS  += -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LDFLAGS += -fsanitize=fuzzer,address,undefined
endif
# Headers of other projects are system headers: our warnings are for our code. Asked for when needed, since the
# packages may not be there yet.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS) | sed 's/-I/-isystem /g' | sed 's/-isystem \/usr\/include\( \|$$$$\)/ /'))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)

# A room is a folder; every .c in it (but main.c) goes into its library, and so do the files of its web/ folder, as they
# are.
ROOMS   := lib/base lib/secrets lib/store lib/github lib/repo bus edge scanner grapher cli tests/github examples/labeller
sources  = $(filter-out %/main.c,$(wildcard $(1)/*.c)) $(wildcard $(1)/*.cc) $(wildcard $(1)/web/*)
objects  = $(addprefix $(BUILD)/obj/,$(addsuffix .o,$(call sources,$(1))))
library  = $(BUILD)/lib/lib$(subst /,_,$(1)).a
LIBS    := $(foreach r,lib/repo lib/github lib/store lib/secrets lib/base,$(call library,$(r)))

EXAMPLES := hello-subscriber notifier labeller
BINARIES := $(foreach n,edge scanner grapher,$(BUILD)/bin/repobus-$(n)) $(BUILD)/bin/repobus \
            $(BUILD)/bin/repobus-test-subscriber $(BUILD)/bin/github-standin $(EXAMPLES:%=$(BUILD)/bin/%)
SHARED  := $(BUILD)/lib/librepobus.so
SONAME  := $(SHARED).$(firstword $(subst ., ,$(VERSION)))
HEADER  := $(BUILD)/include/repobus/bus.h
UNIT    := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/*_test.c))
BENCHES := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))

.DELETE_ON_ERROR:
.PHONY: help deps build run stop test test-unit test-system fuzz chaos lint format asan bench bench-scanner bench-graph install clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

deps: ## install the Debian packages that are missing
	@deploy/packages

build: $(BINARIES) $(SHARED).$(VERSION) ## compile everything into build/bin

run: ## start everything, connect a repository, show it happening (REPO=… GRAPH=neo4j)
	@deploy/run

stop: ## stop what `make run` left behind
	@deploy/run --stop

test: ## install what is missing, run every test, also under sanitizers
	@tests/run all

test-unit: ## the unit tests in C
	@tests/run unit

test-system: ## the system tests against real servers
	@tests/run system

fuzz: ## hostile input for every parser, for long (FUZZ_SECONDS=600 each; TARGETS="jwt tree" chooses)
	@tests/fuzz/run $(or $(FUZZ_SECONDS),600) $(TARGETS)

chaos: ## kill, freeze and cut everything at random under load, and count what is lost (SEED=, REPOS=40)
	@tests/chaos/run

lint: ## formatting, clang-tidy, shellcheck, and the rules of this house
	@tests/lint/lint

format: ## rewrite the C sources as .clang-format says
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

asan: ## compile everything with AddressSanitizer and UBSan into build/asan
	@$(MAKE) --no-print-directory BUILD=build/asan SANITIZE=1 build unit-binaries

bench: ## measure: latency, memory, requests (prints figures, asserts nothing)
	@tests/bench/run

bench-scanner: ## the scanner beside linguist, osv-scalibr and others, on the git clones in CLONES=dir
	@tests/bench/run scanner

bench-graph: ## the graph: written beside the official drivers and COPY, updated, read (FILES=100000)
	@tests/bench/run graph

PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
install: build ## install programs, library, header and manual pages below PREFIX (/usr/local), in DESTDIR
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/include/repobus" "$(DESTDIR)$(LIBDIR)/pkgconfig" \
	  "$(DESTDIR)$(PREFIX)/share/man/man1" "$(DESTDIR)$(PREFIX)/share/man/man3"
	install -m 755 $(filter-out %/github-standin $(EXAMPLES:%=$(BUILD)/bin/%),$(BINARIES)) "$(DESTDIR)$(PREFIX)/bin/"
	install -m 755 $(SHARED).$(VERSION) "$(DESTDIR)$(LIBDIR)/"
	ln -sf $(notdir $(SHARED)).$(VERSION) "$(DESTDIR)$(LIBDIR)/$(notdir $(SONAME))"
	ln -sf $(notdir $(SONAME)) "$(DESTDIR)$(LIBDIR)/$(notdir $(SHARED))"
	install -m 644 $(HEADER) "$(DESTDIR)$(PREFIX)/include/repobus/"
	sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR:$(PREFIX)/%=$${prefix}/%)|; s|@VERSION@|$(VERSION)|' bus/repobus.pc.in >"$(DESTDIR)$(LIBDIR)/pkgconfig/repobus.pc"
	$(BUILD)/bin/repobus --help | sed 's/\\/\\e/g; s/^[.'"'"']/\\\&&/' | sed -e '/@HELP@/{r /dev/stdin' -e 'd}' docs/man/repobus.1.in \
	  >"$(DESTDIR)$(PREFIX)/share/man/man1/repobus.1"
	install -m 644 docs/man/*.3 "$(DESTDIR)$(PREFIX)/share/man/man3/"
	@[ -n "$(DESTDIR)" ] || { ldconfig 2>/dev/null || true; /sbin/ldconfig -p | grep -qF "=> $(LIBDIR)/$(notdir $(SONAME))"; } || \
	  echo "programs do not find $(LIBDIR)/$(notdir $(SONAME)) by themselves: run ldconfig as root; where it does not look there, set LD_LIBRARY_PATH=$(LIBDIR), and PKG_CONFIG_PATH=$(LIBDIR)/pkgconfig to build"

clean: ## remove build/ (the data of `make run` stays in .run/)
	rm -rf build

.PHONY: unit-binaries bench-binaries fuzz-binaries
unit-binaries: $(UNIT)
bench-binaries: $(BENCHES)
fuzz-binaries: $(FUZZERS)

# The rules of the scanner become tables in C; the program that does so is for this machine, whatever is built.
RULES := $(BUILD)/tools/rules
TECHNOLOGIES := $(BUILD)/gen/scanner/technology_table.c
$(RULES): scanner/rules/rules.cc scanner/technology.h Makefile
	@mkdir -p $(@D)
	@echo "  CXX   $<"
	@$(CXX) -std=gnu++17 -O1 -Wall -Wextra -Werror -I. $< -o $@

$(TECHNOLOGIES): $(RULES) $(wildcard scanner/rules/*.toml)
	@mkdir -p $(@D)
	@echo "  RULES $@"
	@$(RULES) $(filter %.toml,$^) >$@

$(BUILD)/obj/scanner/technology_table.c.o: $(TECHNOLOGIES)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WARN) -I. -c $< -o $@
$(call library,scanner): $(BUILD)/obj/scanner/technology_table.c.o

$(BUILD)/obj/%.c.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CFLAGS) $(WARN) $(PKG_CFLAGS) -I. -MMD -MP -c $< -o $@

$(BUILD)/obj/%.cc.o: %.cc Makefile
	@mkdir -p $(@D)
	@echo "  CXX   $<"
	@$(CXX) $(filter-out -std=gnu17,$(CFLAGS)) -std=gnu++17 -Wall -Wextra -Werror $(PKG_CFLAGS) -I. -MMD -MP -c $< -o $@

# A file as it is: edge/web/docs.js lies between _binary_edge_web_docs_js_start and …_end.
$(BUILD)/obj/edge/web/%.o: edge/web/% Makefile
	@mkdir -p $(@D)
	@echo "  DATA  $<"
	@$(LD) -r -b binary -z noexecstack -o $@ $<

# What `repobus new-subscriber` writes lies in the program.
$(BUILD)/obj/cli/new_subscriber.c.o: $(shell find cli/templates tests/subscriber/events -type f)

# The header that is installed stands alone: what bus/subscriber.h includes of this house is put in its place.
$(HEADER): bus/subscriber.h lib/base/public.h Makefile
	@mkdir -p $(@D)
	@sed -e '/#include "lib\/base\/public.h"/{r lib/base/public.h' -e 'd}' $< >$@
$(BUILD)/obj/examples/%: CFLAGS += -I$(BUILD)/include
$(foreach e,$(EXAMPLES),$(BUILD)/obj/examples/$(e)/main.c.o) $(call objects,examples/labeller): $(HEADER)

comma := ,
# librepobus.so is of the same objects as the programs.
$(BUILD)/obj/bus/%.o $(BUILD)/obj/lib/base/%.o: CFLAGS += -fPIC -fno-semantic-interposition
$(SHARED).$(VERSION): $(BUILD)/lib/libbus.a $(BUILD)/lib/liblib_base.a bus/librepobus.map
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) $(if $(SANITIZE),,-Wl$(comma)-z$(comma)defs) -shared -Wl,-soname,$(notdir $(SONAME)) -Wl,--version-script=bus/librepobus.map \
	  -Wl,--whole-archive $< -Wl,--no-whole-archive $(word 2,$^) $$(pkg-config --libs libnats jansson libsodium openssl libh2o-evloop libcurl) -o $@

define room_rules
$(call library,$(1)): $(call objects,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_rules,$(r))))

# link NAME, from which main, with which rooms
define binary_rules
$(BUILD)/bin/$(1): $(BUILD)/obj/$(2)/main.c.o $(foreach r,$(3),$(call library,$(r))) $(LIBS)
	@mkdir -p $$(@D)
	@echo "  LINK  $$@"
	@$(CXX) $(LDFLAGS) $$^ $$(PKG_LIBS) -o $$@
endef
$(eval $(call binary_rules,repobus-edge,edge,edge bus))
$(eval $(call binary_rules,repobus-scanner,scanner,scanner bus))
$(eval $(call binary_rules,repobus-grapher,grapher,grapher bus))
$(eval $(call binary_rules,repobus,cli,cli bus))
$(eval $(call binary_rules,repobus-test-subscriber,tests/subscriber,bus))
$(eval $(call binary_rules,github-standin,tests/github,tests/github))
$(foreach e,$(EXAMPLES),$(eval $(call binary_rules,$(e),examples/$(e),$(filter examples/$(e),$(ROOMS)) bus)))

ALL_ROOMS := $(foreach r,edge scanner grapher cli tests/github examples/labeller bus,$(call library,$(r))) $(LIBS)
$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.c.o $(ALL_ROOMS)
	@mkdir -p $(@D)
	@$(CXX) $(LDFLAGS) $^ $(PKG_LIBS) $$(pkg-config --libs cmocka) -o $@

$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.c.o $(ALL_ROOMS)
	@mkdir -p $(@D)
	@$(CXX) $(LDFLAGS) $^ $(PKG_LIBS) -o $@

$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.c.o $(ALL_ROOMS)
	@mkdir -p $(@D)
	@$(CXX) $(LDFLAGS) $^ $(PKG_LIBS) -o $@

# Keep objects that only pattern rules name, and read the header dependencies. Those of rooms are none of them: make would
# leave a new file out that is older than its archive.
.SECONDARY: $(foreach d,unit bench fuzz,$(patsubst %,$(BUILD)/obj/%.o,$(wildcard tests/$(d)/*.c)))
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
