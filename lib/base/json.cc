// simdjson behind a C door. A parser of a thread is kept, since making one costs more than parsing with it; one
// that a large text has made large is not.
extern "C" {
#include "lib/base/base.h"
}
#include <cstring>
#include <memory>
#include <simdjson.h>

#define JSON_KEPT_MAX (256 * 1024) // bytes of text whose parser is kept

namespace
{
simdjson::error_code json_take(const struct rb_json_field &field, simdjson::dom::element value)
{
    switch (field.kind) {
    case RB_JSON_INT:
        return value.get_int64().get(*static_cast<int64_t *>(field.out));
    case RB_JSON_BOOL:
        return value.get_bool().get(*static_cast<bool *>(field.out));
    case RB_JSON_TEXT:
        break;
    }
    std::string_view text;
    simdjson::error_code error = value.get_string().get(text);
    if (error)
        return error;
    if (text.size() >= field.size || text.find('\0') != std::string_view::npos)
        return simdjson::CAPACITY;
    memcpy(field.out, text.data(), text.size());
    static_cast<char *>(field.out)[text.size()] = '\0';
    return simdjson::SUCCESS;
}

rb_err json_find(simdjson::dom::parser &parser, const struct rb_json_field *fields, size_t count,
                 const char *text, size_t len)
{
    simdjson::dom::element document;
    simdjson::error_code error = parser.parse(text, len).get(document);
    if (error)
        return rb_error_set(RB_EPROTOCOL, "not JSON: %s", simdjson::error_message(error));
    for (size_t i = 0; i < count; i++) {
        simdjson::dom::element value;
        if (document.at_pointer(fields[i].pointer).get(value) == simdjson::SUCCESS)
            (void)json_take(fields[i], value); // what is of another kind is as good as absent
    }
    return RB_OK;
}
} // namespace

rb_err rb_json_find(const struct rb_json_field *fields, size_t count, const char *text, size_t len)
{
    static thread_local simdjson::dom::parser kept;
    if (len <= JSON_KEPT_MAX)
        return json_find(kept, fields, count, text, len);
    simdjson::dom::parser once;
    return json_find(once, fields, count, text, len);
}
