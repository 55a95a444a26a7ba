// JSON from front to back, through simdjson; behind a C door.
extern "C" {
#include "lib/base/base.h"
}
#include "scanner/walk.h"

#include <cstdio>
#include <simdjson.h>
#include <string_view>

namespace
{

struct walker {
    struct rb_walk at;
    rb_walk_fn fn;
    void *arg;
};

struct rb_piece piece_of(std::string_view text)
{
    return {text.data() ? text.data() : "", text.size()};
}

void walk(struct walker &walker, simdjson::dom::element value);

// What the list or object holds; deeper than anybody looks, nothing.
template <typename Each> void walk_inside(struct walker &walker, Each each)
{
    struct rb_piece none = {"", 0};
    walker.fn(walker.arg, &walker.at, RB_WALK_OPEN, none);
    if (walker.at.depth < RB_WALK_DEPTH_MAX) {
        walker.at.depth++;
        each();
        walker.at.depth--;
    }
    walker.fn(walker.arg, &walker.at, RB_WALK_CLOSE, none);
}

void walk_scalar(struct walker &walker, simdjson::dom::element value)
{
    char digits[24];
    std::string_view text;
    bool truth = false;
    int64_t number = 0;
    if (value.get_string().get(text) == simdjson::SUCCESS)
        ;
    else if (value.get_bool().get(truth) == simdjson::SUCCESS)
        text = truth ? "true" : "false";
    else if (value.get_int64().get(number) == simdjson::SUCCESS)
        text = std::string_view(digits, static_cast<size_t>(snprintf(digits, sizeof digits, "%lld",
                                                                     static_cast<long long>(number))));
    walker.fn(walker.arg, &walker.at, RB_WALK_VALUE, piece_of(text));
}

// Recurses no deeper than RB_WALK_DEPTH_MAX.
void walk(struct walker &walker, simdjson::dom::element value)
{
    simdjson::dom::object object;
    simdjson::dom::array list;
    if (value.get_object().get(object) == simdjson::SUCCESS)
        walk_inside(walker, [&] {
            for (auto field : object) {
                walker.at.keys[walker.at.depth - 1] = piece_of(field.key);
                walker.at.indexes[walker.at.depth - 1] = RB_WALK_NAMED;
                walk(walker, field.value);
            }
        });
    else if (value.get_array().get(list) == simdjson::SUCCESS)
        walk_inside(walker, [&] {
            size_t index = 0;
            for (auto item : list) {
                walker.at.keys[walker.at.depth - 1] = {"", 0};
                walker.at.indexes[walker.at.depth - 1] = index++;
                walk(walker, item);
            }
        });
    else
        walk_scalar(walker, value);
}

} // namespace

extern "C" rb_err rb_walk_json(const char *text, size_t len, rb_walk_fn fn, void *arg)
{
    simdjson::dom::parser parser; // as large as its text: not kept
    simdjson::dom::element document;
    simdjson::error_code error = parser.parse(text, len).get(document);
    if (error)
        return rb_error_set(RB_EINVAL, "JSON: %s", simdjson::error_message(error));
    struct walker walker = {};
    walker.fn = fn;
    walker.arg = arg;
    walk(walker, document);
    return RB_OK;
}
