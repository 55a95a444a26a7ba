// simdjson behind a C door. A parser of a thread is kept, since making one costs more than parsing with it;
// one that a large text has made large is not.
extern "C" {
#include "lib/base/base.h"
}
#include <cstring>
#include <jansson.h>
#include <memory>
#include <simdjson.h>
#include <string>

#define JSON_KEPT_MAX (256 * 1024) // bytes of text whose parser is kept

namespace
{
static_assert(RB_JSON_ROOM >= simdjson::SIMDJSON_PADDING, "simdjson reads further than that");

simdjson::error_code json_take_text(const struct rb_json_field &field, std::string_view text)
{
    if (field.kind == RB_JSON_PIECE) {
        *static_cast<struct rb_json_piece *>(field.out) = {text.data(), text.size()};
        return simdjson::SUCCESS;
    }
    if (text.size() >= field.size || text.find('\0') != std::string_view::npos)
        return simdjson::CAPACITY;
    memcpy(field.out, text.data(), text.size());
    static_cast<char *>(field.out)[text.size()] = '\0';
    return simdjson::SUCCESS;
}

// Of a document (dom::element) or of a text that is read from front to back (ondemand::value).
template <typename Value> simdjson::error_code json_take(const struct rb_json_field &field, Value value)
{
    switch (field.kind) {
    case RB_JSON_INT:
        return value.get_int64().get(*static_cast<int64_t *>(field.out));
    case RB_JSON_BOOL:
        return value.get_bool().get(*static_cast<bool *>(field.out));
    case RB_JSON_TEXT:
    case RB_JSON_PIECE:
        break;
    }
    std::string_view text;
    simdjson::error_code error = value.get_string().get(text);
    return error ? error : json_take_text(field, text);
}

simdjson::error_code json_parse(simdjson::dom::parser &parser, const struct rb_json_text &text,
                                simdjson::dom::element &document)
{
    bool is_to_copy = text.room < simdjson::SIMDJSON_PADDING;
    return parser.parse(text.at, text.len, is_to_copy).get(document);
}

thread_local simdjson::dom::parser json_kept;

template <typename Use> auto json_with_parser(size_t len, Use use)
{
    if (len <= JSON_KEPT_MAX)
        return use(json_kept);
    simdjson::dom::parser once;
    return use(once);
}

rb_err json_find(simdjson::dom::parser &parser, const struct rb_json_field *fields, size_t count,
                 const struct rb_json_text &text)
{
    simdjson::dom::element document;
    simdjson::error_code error = json_parse(parser, text, document);
    if (error)
        return rb_error_set(RB_EPROTOCOL, "not JSON: %s", simdjson::error_message(error));
    for (size_t i = 0; i < count; i++) {
        simdjson::dom::element value;
        if (document.at_pointer(fields[i].pointer).get(value) == simdjson::SUCCESS)
            (void)json_take(fields[i], value); // what is of another kind is as good as absent
    }
    return RB_OK;
}

void json_forget(const struct rb_json_field &field)
{
    switch (field.kind) {
    case RB_JSON_INT:
        *static_cast<int64_t *>(field.out) = -1;
        break;
    case RB_JSON_BOOL:
        *static_cast<bool *>(field.out) = false;
        break;
    case RB_JSON_TEXT:
        *static_cast<char *>(field.out) = '\0';
        break;
    case RB_JSON_PIECE:
        *static_cast<struct rb_json_piece *>(field.out) = {nullptr, 0};
        break;
    }
}

// What `value`, if it is an object, has of the fields. A list may have 100,000 elements: its own members are
// looked through once, in place of one search a pointer.
void json_take_all(const struct rb_json_field *fields, size_t count, simdjson::dom::element value)
{
    for (size_t i = 0; i < count; i++)
        json_forget(fields[i]);
    simdjson::dom::object object;
    if (value.get_object().get(object))
        return;
    for (simdjson::dom::key_value_pair member : object) {
        for (size_t i = 0; i < count; i++) {
            if (member.key == fields[i].pointer + 1)
                (void)json_take(fields[i], member.value);
        }
    }
}

rb_err json_members(simdjson::dom::parser &parser, const char *pointer, const struct rb_json_field *fields,
                    size_t count, const struct rb_json_text &text, rb_json_member_fn fn, void *arg)
{
    simdjson::dom::element document;
    simdjson::error_code error = json_parse(parser, text, document);
    if (error)
        return rb_error_set(RB_EPROTOCOL, "not JSON: %s", simdjson::error_message(error));
    simdjson::dom::object object;
    if (document.at_pointer(pointer).get_object().get(object))
        return rb_error_set(RB_ENOTFOUND, "no object at %s", pointer);
    for (simdjson::dom::key_value_pair member : object) {
        json_take_all(fields, count, member.value);
        fn(arg, member.key.data(), member.key.size());
    }
    return RB_OK;
}

// As json_take_all(), as far as the text goes: SUCCESS where the element is well-formed, whatever it is.
simdjson::error_code json_take_element(const struct rb_json_field *fields, size_t count,
                                       simdjson::ondemand::value value)
{
    simdjson::ondemand::json_type type;
    for (size_t i = 0; i < count; i++)
        json_forget(fields[i]);
    simdjson::error_code error = value.type().get(type);
    if (error || type != simdjson::ondemand::json_type::object)
        return error;
    simdjson::ondemand::object object;
    error = value.get_object().get(object);
    for (auto found : object) {
        simdjson::ondemand::field member;
        std::string_view key;
        error = error ? error : std::move(found).get(member);
        error = error ? error : member.unescaped_key().get(key);
        if (error)
            return error;
        for (size_t i = 0; i < count; i++) {
            if (key == fields[i].pointer + 1) {
                simdjson::error_code taken = json_take(fields[i], member.value());
                if (taken && taken != simdjson::INCORRECT_TYPE && taken != simdjson::CAPACITY)
                    return taken;
                break;
            }
        }
    }
    return error;
}

// A list of 100,000 is 25 MB of text, and would be 40 MB more as a document: it is read from front to back.
class json_list
{
  public:
    json_list(const char *flag, const char *list, const struct rb_json_field *fields, size_t count,
              rb_json_member_fn fn, void *arg)
        : flag(flag), list(list), fields(fields), count(count), fn(fn), arg(arg)
    {
    }

    simdjson::error_code read(simdjson::ondemand::parser &parser, simdjson::padded_string_view text)
    {
        simdjson::ondemand::document document;
        simdjson::ondemand::object object;
        simdjson::error_code error = parser.iterate(text).get(document);
        error = error ? error : document.get_object().get(object);
        if (error)
            return error;
        for (auto found : object) {
            simdjson::ondemand::field member;
            std::string_view key;
            error = std::move(found).get(member);
            error = error ? error : member.unescaped_key().get(key);
            error = error ? error : read_member(key, member.value());
            if (error)
                return error;
        }
        const char *rest = nullptr; // there is no such place where nothing is left
        error = document.current_location().get(rest);
        return error == simdjson::OUT_OF_BOUNDS ? simdjson::SUCCESS : simdjson::TRAILING_CONTENT;
    }

    int flag_value = -1;
    bool has_list = false;

  private:
    simdjson::error_code read_member(std::string_view key, simdjson::ondemand::value value)
    {
        bool is_set = false;
        simdjson::ondemand::json_type type;
        simdjson::error_code error = value.type().get(type);
        if (error)
            return error;
        if (key == flag + 1 && type == simdjson::ondemand::json_type::boolean) {
            error = value.get_bool().get(is_set);
            flag_value = error ? -1 : is_set;
        } else if (key == list + 1 && type == simdjson::ondemand::json_type::array) {
            has_list = true;
            error = read_list(value);
        }
        return error;
    }

    simdjson::error_code read_list(simdjson::ondemand::value value)
    {
        simdjson::ondemand::array array;
        simdjson::error_code error = value.get_array().get(array);
        if (error)
            return error;
        for (auto found : array) {
            simdjson::ondemand::value element;
            error = std::move(found).get(element);
            error = error ? error : json_take_element(fields, count, element);
            if (error)
                return error;
            fn(arg, "", 0);
        }
        return error;
    }

    const char *flag, *list;
    const struct rb_json_field *fields;
    size_t count;
    rb_json_member_fn fn;
    void *arg;
};

// What jansson would make of the same text; nullptr for what it has no place for.
json_t *json_build(simdjson::dom::element value);

json_t *json_build_text(std::string_view text)
{
    bool has_zero = text.find('\0') != std::string_view::npos;
    return has_zero ? nullptr : json_stringn_nocheck(text.data(), text.size());
}

json_t *json_build_list(simdjson::dom::array values)
{
    json_t *list = json_array();
    for (simdjson::dom::element value : values) {
        if (json_array_append_new(list, json_build(value))) {
            json_decref(list);
            return nullptr;
        }
    }
    return list;
}

json_t *json_build_object(simdjson::dom::object members)
{
    json_t *object = json_object();
    for (simdjson::dom::key_value_pair member : members) {
        bool has_zero = member.key.find('\0') != std::string_view::npos;
        if (has_zero || json_object_setn_new_nocheck(object, member.key.data(), member.key.size(),
                                                     json_build(member.value))) {
            json_decref(object);
            return nullptr;
        }
    }
    return object;
}

json_t *json_build(simdjson::dom::element value)
{
    switch (value.type()) {
    case simdjson::dom::element_type::ARRAY:
        return json_build_list(value.get_array().value_unsafe());
    case simdjson::dom::element_type::OBJECT:
        return json_build_object(value.get_object().value_unsafe());
    case simdjson::dom::element_type::STRING:
        return json_build_text(value.get_string().value_unsafe());
    case simdjson::dom::element_type::INT64:
        return json_integer(value.get_int64().value_unsafe());
    case simdjson::dom::element_type::DOUBLE:
        return json_real(value.get_double().value_unsafe());
    case simdjson::dom::element_type::BOOL:
        return json_boolean(value.get_bool().value_unsafe());
    case simdjson::dom::element_type::NULL_VALUE:
        return json_null();
    case simdjson::dom::element_type::UINT64: // beyond what json_int_t holds
        return nullptr;
    }
    return nullptr;
}
} // namespace

bool rb_text_is_utf8(const char *text, size_t len)
{
    return simdjson::validate_utf8(text, len);
}

rb_err rb_json_members(const char *pointer, const struct rb_json_field *fields, size_t count,
                       const struct rb_json_text *text, rb_json_member_fn fn, void *arg)
{
    simdjson::dom::parser once; // texts are large here, and a parser is as large as its text
    return json_members(once, pointer, fields, count, *text, fn, arg);
}

rb_err rb_json_list(int *flag_value, const char *flag, const char *list, const struct rb_json_field *fields,
                    size_t count, const struct rb_json_text *text, rb_json_member_fn fn, void *arg)
{
    simdjson::ondemand::parser once;
    class json_list reading(flag, list, fields, count, fn, arg);
    std::unique_ptr<simdjson::padded_string> copy;
    simdjson::padded_string_view padded(text->at, text->len, text->len + text->room);
    if (text->room < simdjson::SIMDJSON_PADDING) {
        copy = std::make_unique<simdjson::padded_string>(text->at, text->len);
        padded = *copy;
    }
    simdjson::error_code error = reading.read(once, padded);
    *flag_value = reading.flag_value;
    if (error && error != simdjson::INCORRECT_TYPE)
        return rb_error_set(RB_EPROTOCOL, "not JSON: %s", simdjson::error_message(error));
    return reading.has_list && !error ? RB_OK : rb_error_set(RB_ENOTFOUND, "no list at %s", list);
}

rb_err rb_json_find(const struct rb_json_field *fields, size_t count, const struct rb_json_text *text)
{
    return json_with_parser(
        text->len, [&](simdjson::dom::parser &parser) { return json_find(parser, fields, count, *text); });
}

json_t *rb_json_load(const struct rb_json_text *text)
{
    return json_with_parser(text->len, [&](simdjson::dom::parser &parser) -> json_t * {
        simdjson::dom::element document;
        return json_parse(parser, *text, document) ? nullptr : json_build(document);
    });
}

// A backslash stands in texts and names alone, and takes what follows with it.
bool rb_json_has_zero(const char *text, size_t len)
{
    static const char zero[] = {'u', '0', '0', '0', '0'};
    const char *end = text + len;
    while (text < end) {
        const char *backslash =
            static_cast<const char *>(memchr(text, '\\', static_cast<size_t>(end - text)));
        if (!backslash)
            return false;
        const char *escaped = backslash + 1;
        if (static_cast<size_t>(end - escaped) >= sizeof(zero) && memcmp(escaped, zero, sizeof(zero)) == 0)
            return true;
        text = escaped < end ? escaped + 1 : end;
    }
    return false;
}

rb_err rb_json_part(struct rb_buf *out, const char *pointer, const char *text, size_t len)
{
    simdjson::dom::parser once;
    simdjson::dom::element document, value;
    simdjson::error_code error = once.parse(text, len).get(document);
    if (error)
        return rb_error_set(RB_EPROTOCOL, "not JSON: %s", simdjson::error_message(error));
    if (document.at_pointer(pointer).get(value))
        return rb_error_set(RB_ENOTFOUND, "nothing at %s", pointer);
    std::string part = simdjson::to_string(value);
    return rb_buf_append(out, part.data(), part.size());
}
