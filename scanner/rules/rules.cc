// The generator: reads the rules (categories.toml first, then one file a category) and writes the tables of
// scanner/technology.h as C to standard output. What is wrong with a rule is said with file and line, all of
// it, and nothing is written.
//
//   rules scanner/rules/*.toml >technology_table.c
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS  1
#include <toml++/toml.h>

#include "scanner/technology.h"

namespace
{

struct kind_name {
    const char *key;
    uint8_t kind;
};
const kind_name kind_names[] = {
#define ROW(id, key, name) {key, RB_RULE_##id},
    RB_RULE_KINDS(ROW)
#undef ROW
};

struct category {
    std::string id, name;
    bool framework, tool, of_test, of_docs;
};
struct technology {
    std::string name, part_of, where;
    size_t category;
    bool framework;
};
struct clue {
    uint8_t kind;
    std::string text, where;
    size_t technology;
};

std::vector<category> categories;
std::vector<technology> technologies;
std::vector<clue> clues;
int mistakes;

std::string place(const std::string &file, const toml::node &node)
{
    return file + ":" + std::to_string(node.source().begin.line);
}

void mistake(const std::string &where, const std::string &what)
{
    std::fprintf(stderr, "%s: %s\n", where.c_str(), what.c_str());
    mistakes++;
}

std::string base_of(const std::string &path)
{
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

bool ends_with(const std::string &text, const std::string &end)
{
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// The tables of a document in the order they are written; toml++ keeps them by name.
std::vector<std::pair<std::string, const toml::table *>> tables_of(const std::string &file,
                                                                   const toml::table &document)
{
    std::vector<std::tuple<uint32_t, std::string, const toml::table *>> found;
    for (auto &&[key, value] : document) {
        if (auto *table = value.as_table())
            found.emplace_back(key.source().begin.line, std::string(key.str()), table);
        else
            mistake(place(file, value), "\"" + std::string(key.str()) + "\" is no table: [Name] begins an entry");
    }
    std::sort(found.begin(), found.end());
    std::vector<std::pair<std::string, const toml::table *>> out;
    for (auto &&[line, name, table] : found)
        out.emplace_back(name, table);
    return out;
}

void read_categories(const std::string &file, const toml::table &document)
{
    for (auto &&[id, table] : tables_of(file, document)) {
        category item{id, (*table)["name"].value_or(std::string()), false, false, false, false};
        for (auto &&[key, value] : *table) {
            bool *flag = key == "framework" ? &item.framework
                         : key == "tool"    ? &item.tool
                         : key == "of_test" ? &item.of_test
                         : key == "of_docs" ? &item.of_docs
                                            : nullptr;
            if (flag && value.is_boolean())
                *flag = value.value_or(false);
            else if (key != "name" || !value.is_string())
                mistake(place(file, value), "a category has name, framework, tool, of_test, of_docs");
        }
        if (item.name.empty())
            mistake(file, "category " + id + " has no name");
        categories.push_back(item);
    }
}

// How a text is written says what kind of clue on a file it is.
uint8_t file_kind(std::string &text)
{
    const bool root = text[0] == '/', folder = text.back() == '/';
    if (root)
        text.erase(0, 1);
    if (folder && !text.empty())
        text.pop_back();
    if (folder)
        return root ? RB_RULE_FOLDER_ROOT : RB_RULE_FOLDER;
    if (root)
        return RB_RULE_FILE_ROOT;
    if (text.rfind("*.", 0) == 0) {
        text.erase(0, 1);
        return RB_RULE_FILE_END;
    }
    if (ends_with(text, ".*")) {
        text.pop_back();
        return RB_RULE_FILE_STEM;
    }
    return text.find('/') == std::string::npos ? RB_RULE_FILE : RB_RULE_FILE_TAIL;
}

// Fewer than this many bytes before the '*' of a name's beginning name no maker.
constexpr size_t prefix_min = 3;

void check_file(const clue &item)
{
    const auto folders = static_cast<size_t>(std::count(item.text.begin(), item.text.end(), '/'));
    const bool simple = item.kind == RB_RULE_FILE_STEM || item.kind == RB_RULE_FILE_END ||
                        item.kind == RB_RULE_FOLDER;
    if (item.text.find('*') != std::string::npos)
        mistake(item.where, "'*' stands only in \"*.end\" and \"name.*\"");
    else if (simple && folders > 0)
        mistake(item.where, "\"*.end\", \"name.*\" and \"folder/\" have no other '/'");
    else if (item.kind == RB_RULE_FILE_TAIL && folders > RB_RULE_TAIL_MAX)
        mistake(item.where, "at most two folders: \"a/b/name\"; \"/a/b/c/name\" for a whole path");
    else if (item.kind == RB_RULE_FOLDER_ROOT && folders > 1)
        mistake(item.where, "at most two folders: \"/a/b/\"");
}

void add_clue(uint8_t kind, const std::string &written, const std::string &where, size_t technology)
{
    clue item{kind, written, where, technology};
    if (item.text.empty() || item.text.size() > RB_RULE_TEXT_MAX)
        return mistake(where, "a clue has 1 to " + std::to_string(RB_RULE_TEXT_MAX) + " bytes");
    if (kind == RB_RULE_FILE) {
        item.kind = file_kind(item.text);
        if (item.text.empty())
            return mistake(where, "\"" + written + "\" names nothing");
        check_file(item);
    } else {
        const size_t star = item.text.find('*');
        if (star != std::string::npos) {
            if (star + 1 != item.text.size() || star < prefix_min || !std::strchr("/:.-_", item.text[star - 1]))
                return mistake(where, "\"" + written + "\": '*' stands at the end, behind one of / : . - _");
            item.text.pop_back();
            item.kind |= RB_RULE_PREFIX;
        }
        // Names of packages are compared without case; names of variables and keys are not.
        if (kind < RB_RULE_ENV)
            std::transform(item.text.begin(), item.text.end(), item.text.begin(),
                           [](unsigned char c) { return c < 128 ? std::tolower(c) : c; });
    }
    clues.push_back(item);
}

void read_clues(const std::string &file, const std::string &key, const toml::node &value, size_t technology)
{
    uint8_t kind = RB_RULE_KIND_COUNT;
    for (auto &&row : kind_names) {
        if (row.key && key == row.key)
            kind = row.kind;
    }
    if (kind == RB_RULE_KIND_COUNT)
        return mistake(place(file, value), "\"" + key + "\" is no ecosystem and no other kind of clue");
    if (auto *text = value.as_string())
        return add_clue(kind, text->get(), place(file, value), technology);
    auto *list = value.as_array();
    if (!list || list->empty())
        return mistake(place(file, value), "\"" + key + "\" wants a string or a list of them");
    for (auto &&element : *list) {
        if (auto *text = element.as_string())
            add_clue(kind, text->get(), place(file, element), technology);
        else
            mistake(place(file, element), "\"" + key + "\" wants a string or a list of them");
    }
}

void read_rules(const std::string &file, const toml::table &document)
{
    const std::string base = base_of(file), id = base.substr(0, base.size() - std::strlen(".toml"));
    const auto found = std::find_if(categories.begin(), categories.end(), [&](auto &c) { return c.id == id; });
    if (found == categories.end())
        return mistake(file + ":1", "\"" + id + "\" is no category: categories.toml names them");
    for (auto &&[name, table] : tables_of(file, document)) {
        technology item{name, "", place(file, *table), static_cast<size_t>(found - categories.begin()),
                        found->framework};
        const size_t index = technologies.size(), before = clues.size();
        for (auto &&[key, value] : *table) {
            if (key == "framework" && value.is_boolean())
                item.framework = value.value_or(false);
            else if (key == "part_of" && value.is_string())
                item.part_of = value.value_or(std::string());
            else
                read_clues(file, std::string(key.str()), value, index);
        }
        if (clues.size() == before)
            mistake(item.where, "\"" + name + "\" has no clue, so it is never found");
        technologies.push_back(item);
    }
}

bool read_file(const std::string &file)
{
    try {
        const toml::table document = toml::parse_file(file);
        if (base_of(file) == "categories.toml")
            read_categories(file, document);
        else
            read_rules(file, document);
        return true;
    } catch (const toml::parse_error &error) {
        mistake(file + ":" + std::to_string(error.source().begin.line), std::string(error.description()));
        return false;
    }
}

void check_names()
{
    std::map<std::string, size_t> seen;
    for (size_t i = 0; i < technologies.size(); i++) {
        std::string lower = technologies[i].name;
        std::transform(lower.begin(), lower.end(), lower.begin(),
                       [](unsigned char c) { return c < 128 ? std::tolower(c) : c; });
        auto [other, fresh] = seen.emplace(lower, i);
        if (!fresh)
            mistake(technologies[i].where, "\"" + technologies[i].name + "\" is at " +
                                               technologies[other->second].where + " already");
    }
    for (auto &&item : technologies) {
        const bool known = item.part_of.empty() ||
                           std::any_of(technologies.begin(), technologies.end(),
                                       [&](auto &other) { return other.name == item.part_of; });
        if (!known)
            mistake(item.where, "part_of: no technology is called \"" + item.part_of + "\"");
    }
}

void check_clues()
{
    std::stable_sort(clues.begin(), clues.end(), [](auto &a, auto &b) {
        return std::tie(a.kind, a.text) < std::tie(b.kind, b.text);
    });
    for (size_t i = 1; i < clues.size(); i++) {
        if (clues[i].kind == clues[i - 1].kind && clues[i].text == clues[i - 1].text)
            mistake(clues[i].where, "\"" + clues[i].text + "\" is at " + clues[i - 1].where + " already");
    }
    if (clues.size() > UINT16_MAX - 1 || technologies.size() > UINT16_MAX - 1 || categories.size() > UINT8_MAX)
        mistake("rules", "more than the tables' numbers can count");
}

// ---- the tables

std::string quoted(const std::string &text)
{
    std::string out;
    for (const char c : text) {
        if (c == '"' || c == '\\')
            out += '\\';
        out += c;
    }
    return "\"" + out + "\"";
}

uint16_t index_of(const std::string &name)
{
    for (size_t i = 0; i < technologies.size(); i++) {
        if (technologies[i].name == name)
            return static_cast<uint16_t>(i + 1);
    }
    return 0;
}

void write_slots()
{
    size_t count = 1;
    while (count < clues.size() * 3)
        count *= 2;
    std::vector<uint16_t> slots(count);
    for (size_t i = 0; i < clues.size(); i++) {
        const uint32_t hash =
            rb_rule_hash(rb_rule_hash_start(clues[i].kind), clues[i].text.data(), clues[i].text.size());
        size_t at = rb_rule_slot(hash) & (count - 1);
        while (slots[at])
            at = (at + 1) & (count - 1);
        slots[at] = static_cast<uint16_t>(i + 1);
    }
    std::printf("const uint32_t rb_rule_slot_mask = %zu;\nconst uint16_t rb_rule_slots[] = {", count - 1);
    for (size_t i = 0; i < count; i++)
        std::printf("%s%u,", i % 20 ? "" : "\n", slots[i]);
    std::printf("};\n");
}

void write_tables()
{
    std::printf("/* Made of scanner/rules/ by scanner/rules/rules.cc. */\n#include \"scanner/technology.h\"\n");
    std::printf("const char rb_rule_texts[] =");
    uint32_t at = 0;
    std::vector<uint32_t> names, texts;
    for (auto &&item : technologies) {
        std::printf("\n%s \"\\0\"", quoted(item.name).c_str());
        names.push_back(at);
        at += static_cast<uint32_t>(item.name.size() + 1);
    }
    for (auto &&item : clues) {
        std::printf("\n%s \"\\0\"", quoted(item.text).c_str());
        texts.push_back(at);
        at += static_cast<uint32_t>(item.text.size() + 1);
    }
    std::printf(";\nconst struct rb_rule_category rb_rule_categories[] = {\n");
    for (auto &&item : categories)
        std::printf("{%s, %d, %d, %d},\n", quoted(item.name).c_str(), item.tool, item.of_test, item.of_docs);
    std::printf("};\nconst struct rb_rule_technology rb_rule_technologies[] = {\n");
    for (size_t i = 0; i < technologies.size(); i++)
        std::printf("{%u, %u, %zu, %d},\n", names[i],
                    technologies[i].part_of.empty() ? 0U : index_of(technologies[i].part_of),
                    technologies[i].category, technologies[i].framework);
    std::printf("};\nconst struct rb_rule_clue rb_rule_clues[] = {\n");
    for (size_t i = 0; i < clues.size(); i++)
        std::printf("{%u, %zu, %u, %zu},\n", texts[i], clues[i].technology, clues[i].kind, clues[i].text.size());
    std::printf("};\nconst size_t rb_rule_category_count = %zu, rb_rule_technology_count = %zu, "
                "rb_rule_clue_count = %zu;\n",
                categories.size(), technologies.size(), clues.size());
    write_slots();
}

} // namespace

int main(int argc, char **argv)
{
    std::vector<std::string> files(argv + 1, argv + argc);
    // The categories first: the others refer to them, and their order is that of the categories.
    std::stable_partition(files.begin(), files.end(), [](auto &f) { return base_of(f) == "categories.toml"; });
    for (auto &&file : files)
        read_file(file);
    std::vector<size_t> order(technologies.size()), now(technologies.size());
    for (size_t i = 0; i < order.size(); i++)
        order[i] = i;
    std::stable_sort(order.begin(), order.end(), [](size_t a, size_t b) {
        return technologies[a].category < technologies[b].category;
    });
    std::vector<technology> sorted;
    for (const size_t i : order) {
        now[i] = sorted.size();
        sorted.push_back(technologies[i]);
    }
    technologies = sorted;
    for (auto &&item : clues)
        item.technology = now[item.technology];
    check_names();
    check_clues();
    if (mistakes) {
        std::fprintf(stderr, "rules: %d mistake%s\n", mistakes, mistakes == 1 ? "" : "s");
        return 1;
    }
    write_tables();
    return 0;
}
