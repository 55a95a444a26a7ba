#include "scanner/purl.h"

#include <ctype.h>
#include <string.h>

#include "scanner/text.h"

#define PURL_PARTS_MAX 12 /* of a name between slashes: Go modules have six */

/* The parts of a package URL, none of them encoded yet. */
struct purl {
    struct rb_arena *arena;
    const char *type;
    struct rb_piece parts[PURL_PARTS_MAX]; /* namespace and name */
    size_t part_count;
    const char *version;
    const char *qualifiers; /* "key=value&…", encoded; "" */
    struct rb_piece subpath;
    bool is_lower; /* names are compared without case and written small */
};

/* What may stand as it is: letters, digits, ".-_~", and the colon (purl-spec, "Character encoding"). */
static const char *purl_encoded(struct rb_arena *arena, struct rb_piece text, bool is_lower, const char *also)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = rb_arena_alloc(arena, text.len * 3 + 1);
    size_t used = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        bool is_plain = c < 0x80 && (isalnum(c) || rb_text_has(".-_~:", c) || rb_text_has(also, c));
        if (is_plain) {
            out[used++] = (char)(is_lower ? tolower(c) : c);
            continue;
        }
        out[used++] = '%';
        out[used++] = hex[c >> 4];
        out[used++] = hex[c & 15];
    }
    out[used] = 0;
    return out;
}

static bool purl_split(struct purl *purl, struct rb_piece name, char separator)
{
    purl->part_count = 0;
    while (name.len) {
        const char *end = memchr(name.at, separator, name.len);
        struct rb_piece part = {name.at, end ? (size_t)(end - name.at) : name.len};
        name = rb_piece_after(name, part.len + 1);
        if (part.len == 0)
            continue;
        if (purl->part_count == PURL_PARTS_MAX)
            return false;
        purl->parts[purl->part_count++] = part;
    }
    return purl->part_count > 0;
}

static const char *purl_text(const struct purl *purl)
{
    const char *text = rb_arena_printf(purl->arena, "pkg:%s", purl->type);
    for (size_t i = 0; i < purl->part_count; i++)
        text = rb_arena_printf(purl->arena, "%s/%s", text,
                               purl_encoded(purl->arena, purl->parts[i], purl->is_lower, ""));
    if (*purl->version)
        text = rb_arena_printf(purl->arena, "%s@%s", text,
                               purl_encoded(purl->arena, rb_piece_of(purl->version), false, ""));
    if (*purl->qualifiers)
        text = rb_arena_printf(purl->arena, "%s?%s", text, purl->qualifiers);
    if (purl->subpath.len)
        text =
            rb_arena_printf(purl->arena, "%s#%s", text, purl_encoded(purl->arena, purl->subpath, false, "/"));
    return text;
}

/* ---- versions ----------------------------------------------------------------------------------------- */

/* "1.2.3", "v1.2.3-rc.1+build": begins with a digit, holds nothing that stands for several versions. */
static bool pin_is_version(struct rb_piece text, bool is_prefixed)
{
    if (is_prefixed && text.len > 1 && text.at[0] == 'v')
        text = rb_piece_after(text, 1);
    if (text.len == 0 || !isdigit((unsigned char)text.at[0]))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (!isalnum((unsigned char)c) && !rb_text_has("._-+", c))
            return false;
        bool is_part = text.at[i - (i > 0)] == '.' && (i + 1 == text.len || text.at[i + 1] == '.');
        if ((c == 'x' || c == 'X') && is_part) /* 1.x */
            return false;
    }
    return true;
}

static size_t pin_dots(struct rb_piece text)
{
    size_t dots = 0;
    for (size_t i = 0; i < text.len && text.at[i] != '-' && text.at[i] != '+'; i++)
        dots += text.at[i] == '.';
    return dots;
}

static bool pin_takes(struct rb_piece *text, const char *sign)
{
    if (!rb_piece_starts(*text, sign))
        return false;
    *text = rb_piece_trim(rb_piece_after(*text, strlen(sign)));
    return true;
}

/* How an ecosystem says "this version and no other". */
enum pin {
    PIN_SIGN,      /* "= 1.2.3" or "==1.2.3"; without a sign it is a range (Cargo) */
    PIN_SIGN_TWO,  /* "==1.2.3" only; "=1.2" is a range (Conda, Python) */
    PIN_BARE,      /* "1.2.3" as well */
    PIN_THREE,     /* "1.2.3" as well, if it has three parts: "1.2" is a range (npm) */
    PIN_BRACKETED, /* "1.2.3" or "[1.2.3]" (Maven, NuGet) */
    PIN_SWIFT,     /* exact: "1.2.3" */
    PIN_ANY,       /* whatever is written: a tag, a commit */
};

static struct rb_piece pin_find(struct rb_piece text, enum pin pin)
{
    static const struct rb_piece none = {"", 0};
    bool has_two = pin_takes(&text, "=="), has_one = !has_two && pin_takes(&text, "=");
    bool has_sign = has_two || has_one;
    switch (pin) {
    case PIN_SIGN:
        return has_sign && pin_is_version(text, true) ? text : none;
    case PIN_SIGN_TWO:
        pin_takes(&text, "="); /* Python's "===" */
        return has_two && pin_is_version(text, false) ? text : none;
    case PIN_BARE:
        return pin_is_version(text, true) ? text : none;
    case PIN_THREE:
        return pin_is_version(text, true) && pin_dots(text) >= 2 ? text : none;
    case PIN_BRACKETED:
        if (text.len > 2 && text.at[0] == '[' && text.at[text.len - 1] == ']')
            text = (struct rb_piece){text.at + 1, text.len - 2};
        return pin_is_version(text, true) ? text : none;
    case PIN_SWIFT:
        if (pin_takes(&text, ".exact(") || pin_takes(&text, "exact:")) {
            struct rb_piece version;
            if (rb_piece_quoted(&version, &text) && pin_is_version(version, true))
                return version;
        }
        return none;
    case PIN_ANY:
        return memchr(text.at, ' ', text.len) || memchr(text.at, '$', text.len) ? none : text;
    }
    return none;
}

/* ---- names -------------------------------------------------------------------------------------------- */

typedef bool (*purl_name_fn)(struct purl *purl, const struct rb_scan_dependency *dependency);

static bool name_whole(struct purl *purl, const struct rb_scan_dependency *dependency)
{
    purl->parts[0] = rb_piece_of(dependency->name);
    purl->part_count = 1;
    return true;
}

static bool name_path(struct purl *purl, const struct rb_scan_dependency *dependency)
{
    return purl_split(purl, rb_piece_of(dependency->name), '/');
}

/* Vendor and name; a name alone is no package of Packagist. */
static bool name_vendor(struct purl *purl, const struct rb_scan_dependency *dependency)
{
    return name_path(purl, dependency) && purl->part_count == 2;
}

static bool name_python(struct purl *purl, const struct rb_scan_dependency *dependency)
{
    char *name = rb_arena_strdup(purl->arena, dependency->name);
    for (char *at = name; *at; at++)
        *at = *at == '_' ? '-' : *at;
    purl->parts[0] = rb_piece_of(name);
    purl->part_count = 1;
    return true;
}

/* "group:artifact"; a Gradle plugin is found by its marker, "id:id.gradle.plugin". */
static bool name_maven(struct purl *purl, const struct rb_scan_dependency *dependency)
{
    const char *name = dependency->artifact ? dependency->artifact : dependency->name;
    if (!*name || strchr(name, '$') || strchr(name, ' '))
        return false;
    if (!strchr(name, ':'))
        name = rb_arena_printf(purl->arena, "%s:%s.gradle.plugin", name, name);
    return purl_split(purl, rb_piece_of(name), ':') && purl->part_count == 2;
}

/* "Firebase/Core" is a part of the pod Firebase. */
static bool name_pod(struct purl *purl, const struct rb_scan_dependency *dependency)
{
    struct rb_piece name = rb_piece_of(dependency->name);
    const char *slash = memchr(name.at, '/', name.len);
    purl->parts[0] = name;
    purl->part_count = 1;
    if (slash) {
        purl->parts[0].len = (size_t)(slash - name.at);
        purl->subpath = rb_piece_of(slash + 1);
    }
    return purl->parts[0].len > 0;
}

/* The namespace is where it lies, "github.com/owner"; a package of a registry has none. Readers of the
 * specification's earlier editions refuse one without a version. */
static bool name_swift(struct purl *purl, const struct rb_scan_dependency *dependency)
{
    return *purl->version && name_path(purl, dependency) && purl->part_count >= 3;
}

/* "owner/repository/path" */
static bool name_github(struct purl *purl, const struct rb_scan_dependency *dependency)
{
    if (!name_path(purl, dependency) || purl->part_count < 2 ||
        memchr(purl->parts[0].at, '.', purl->parts[0].len) ||
        memchr(purl->parts[0].at, ':', purl->parts[0].len))
        return false;
    if (purl->part_count > 2)
        purl->subpath = rb_piece_of(purl->parts[2].at);
    purl->part_count = 2;
    return true;
}

static bool part_is_host(struct rb_piece part)
{
    return memchr(part.at, '.', part.len) || memchr(part.at, ':', part.len) || rb_piece_is(part, "localhost");
}

/* "ghcr.io/owner/image" with the tag, or better the digest, as its version. */
static bool name_image(struct purl *purl, const struct rb_scan_dependency *dependency)
{
    if (strchr(dependency->name, '$') || !name_path(purl, dependency))
        return false;
    size_t first = 0;
    if (purl->part_count > 1 && part_is_host(purl->parts[0])) {
        first = 1;
        if (!rb_piece_is(purl->parts[0], "docker.io"))
            purl->qualifiers = rb_arena_printf(purl->arena, "repository_url=%s",
                                               purl_encoded(purl->arena, purl->parts[0], false, ""));
    }
    if (!*purl->qualifiers && purl->part_count == first + 2 && rb_piece_is(purl->parts[first], "library"))
        first++;
    purl->part_count -= first;
    memmove(purl->parts, purl->parts + first, purl->part_count * sizeof *purl->parts);
    const char *digest = strchr(dependency->requirement, '@');
    if (digest)
        purl->version = digest + 1;
    return true;
}

/* "1.2.3@user/channel#revision": the user is the namespace, without which there may be no channel. */
static bool name_conan(struct purl *purl, const struct rb_scan_dependency *dependency)
{
    struct rb_piece rest = rb_piece_of(dependency->requirement);
    const char *at = memchr(rest.at, '@', rest.len), *slash = at ? strchr(at, '/') : NULL;
    name_whole(purl, dependency);
    if (at && slash && slash > at + 1) {
        struct rb_piece channel = {slash + 1, strcspn(slash + 1, "#")};
        purl->parts[1] = purl->parts[0];
        purl->parts[0] = (struct rb_piece){at + 1, (size_t)(slash - at - 1)};
        purl->part_count = 2;
        if (channel.len)
            purl->qualifiers =
                rb_arena_printf(purl->arena, "channel=%s", purl_encoded(purl->arena, channel, false, ""));
    }
    if (!*purl->version && at)
        purl->version = rb_piece_copy(purl->arena,
                                      pin_find((struct rb_piece){rest.at, (size_t)(at - rest.at)}, PIN_BARE));
    return true;
}

/* A provider has two parts, a module three; anything else lies in some repository. */
static bool name_terraform(struct purl *purl, const struct rb_scan_dependency *dependency)
{
    static const struct {
        const char *host, *type;
    } hosts[] = {{"github.com/", "github"}, {"bitbucket.org/", "bitbucket"}};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (!rb_text_starts(dependency->name, hosts[i].host))
            continue;
        struct rb_scan_dependency inner = *dependency;
        inner.name += strlen(hosts[i].host);
        purl->type = hosts[i].type;
        purl->version = *dependency->version ? dependency->version : dependency->requirement;
        return name_github(purl, &inner);
    }
    return name_path(purl, dependency) && (purl->part_count == 2 || purl->part_count == 3) &&
           !strchr(dependency->name, '.') && !strchr(dependency->name, ':');
}

/* What CMake fetches has the address in its requirement: "https://github.com/owner/name.git v1.2". */
static bool name_fetched(struct purl *purl, const struct rb_scan_dependency *dependency)
{
    static const char github[] = "github.com/";
    const char *at = strstr(dependency->requirement, github), *tag = strrchr(dependency->requirement, ' ');
    if (!at)
        return false;
    struct rb_piece name = rb_piece_of(at + sizeof github - 1);
    name.len = strcspn(name.at, " ");
    if (rb_piece_ends(name, ".git"))
        name.len -= 4;
    purl->version = tag && tag > at ? tag + 1 : "";
    return purl_split(purl, name, '/') && purl->part_count == 2;
}

/* Whether it comes from a repository and not from the registry of its ecosystem: "git https://…", "github
 * owner/name", "git+https://…#v1", "@ git+https://…". */
static bool purl_is_from_git(const char *requirement)
{
    static const char *const starts[] = {"git ",    "github ", "git+",  "@ git+",
                                         "github:", "git@",    "gist ", "bitbucket "};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        if (rb_text_starts(requirement, starts[i]))
            return true;
    }
    return false;
}

/* One that lies at GitHub has an address there. */
static bool name_git(struct purl *purl, const struct rb_scan_dependency *dependency)
{
    static const char *const before[] = {"github.com/", "github.com:", "github ", "github:"};
    const char *at = NULL;
    for (size_t i = 0; i < sizeof before / sizeof *before && !at; i++) {
        at = strstr(dependency->requirement, before[i]);
        at = at ? at + strlen(before[i]) : NULL;
    }
    if (!at)
        return false;
    struct rb_piece name = {at, strcspn(at, " @#;")};
    const char *ref = at[name.len] && at[name.len] != ';' ? at + name.len + 1 : "";
    if (rb_piece_ends(name, ".git"))
        name.len -= 4;
    purl->type = "github";
    purl->is_lower = true;
    purl->version = dependency->version;
    if (!*purl->version && !strchr(ref, '=') && !strchr(ref, ':')) /* "#egg=x", "#semver:^1" */
        purl->version = rb_arena_strndup(purl->arena, ref, strcspn(ref, " &;#"));
    return purl_split(purl, name, '/') && purl->part_count == 2;
}

static const struct purl_rule {
    const char *ecosystem, *type;
    purl_name_fn name;
    enum pin pin;
    bool is_lower;
} rules[] = {
    {"npm", "npm", name_path, PIN_THREE, false},
    {"pypi", "pypi", name_python, PIN_SIGN_TWO, true},
    {"go", "golang", name_path, PIN_BARE, true},
    {"cargo", "cargo", name_whole, PIN_SIGN, false},
    {"maven", "maven", name_maven, PIN_BRACKETED, false},
    {"nuget", "nuget", name_whole, PIN_BRACKETED, false},
    {"composer", "composer", name_vendor, PIN_BARE, true},
    {"rubygems", "gem", name_whole, PIN_BARE, false},
    {"hex", "hex", name_whole, PIN_BARE, true},
    {"pub", "pub", name_whole, PIN_BARE, true},
    {"swift", "swift", name_swift, PIN_SWIFT, false},
    {"cocoapods", "cocoapods", name_pod, PIN_BARE, false},
    {"conda", "conda", name_whole, PIN_SIGN_TWO, true},
    {"conan", "conan", name_conan, PIN_BARE, true},
    {"vcpkg", "vcpkg", name_whole, PIN_SIGN, true},
    {"docker", "docker", name_image, PIN_ANY, false},
    {"github-actions", "github", name_github, PIN_ANY, true},
    {"pre-commit", "github", name_github, PIN_ANY, true},
    {"nix", "github", name_github, PIN_ANY, true},
    {"helm", "helm", name_whole, PIN_THREE, false},
    {"terraform", "terraform", name_terraform, PIN_BARE, true},
    {"cmake", "github", name_fetched, PIN_BARE, true},
};

static const struct purl_rule *purl_rule(const char *ecosystem)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strcmp(rules[i].ecosystem, ecosystem) == 0)
            return &rules[i];
    }
    return NULL;
}

const char *rb_purl_pinned(struct rb_arena *arena, const struct rb_scan_dependency *dependency)
{
    const struct purl_rule *rule = purl_rule(dependency->ecosystem);
    if (!rule)
        return "";
    return rb_piece_copy(arena, pin_find(rb_piece_trim(rb_piece_of(dependency->requirement)), rule->pin));
}

const char *rb_purl(struct rb_arena *arena, const struct rb_scan_dependency *dependency)
{
    const struct purl_rule *rule = purl_rule(dependency->ecosystem);
    if (!rule || dependency->local)
        return "";
    struct purl purl = {
        .arena = arena, .type = rule->type, .version = "", .qualifiers = "", .is_lower = rule->is_lower};
    purl.version = *dependency->version ? dependency->version : rb_purl_pinned(arena, dependency);
    bool is_found = purl_is_from_git(dependency->requirement) ? name_git(&purl, dependency)
                                                              : rule->name(&purl, dependency);
    if (!is_found)
        return "";
    return purl_text(&purl);
}
