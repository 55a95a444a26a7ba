// toml++ behind a C door: nothing it throws passes, nothing of its types is seen.
extern "C" {
#include "lib/base/base.h"
}
#include "scanner/toml.h"

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

// toml++ 3.3 states in assertions what it believes of its input, and is wrong: "[$" is enough to make
// parse_key() abort. With NDEBUG they would become promises to the optimiser (under clang), so each of them
// throws instead: a belief that does not hold ends the parsing of this text and nothing else. Those inside
// noexcept functions cannot be thrown out of; rb_toml_is_tame() refuses beforehand what could reach them.
namespace
{
[[noreturn]] void assertion_failed()
{
    throw std::logic_error("not well-formed");
}
} // namespace
#undef NDEBUG
#define TOML_ASSERT(expr)          (static_cast<bool>(expr) ? void(0) : assertion_failed())

// An error of syntax is thrown as well, so that no code runs on after one.
#define TOML_EXCEPTIONS            1
#define TOML_ENABLE_FORMATTERS     1
#define TOML_HEADER_ONLY           1
#define TOML_UNDEF_MACROS          1
#include <toml++/toml.h>

namespace
{

json_t *convert(const toml::node &node);

json_t *convert_table(const toml::table &table)
{
    json_t *object = json_object();
    for (auto &&[key, value] : table) {
        std::string name(key.str());
        // A name with a zero in it would be another name in C.
        if (name.find('\0') == std::string::npos)
            json_object_set_new(object, name.c_str(), convert(value));
    }
    return object;
}

json_t *convert_array(const toml::array &array)
{
    json_t *list = json_array();
    for (auto &&value : array)
        json_array_append_new(list, convert(value));
    return list;
}

json_t *convert_string(const std::string &text)
{
    json_t *string = json_string(text.c_str());
    return string ? string : json_null();
}

json_t *convert(const toml::node &node)
{
    if (auto *table = node.as_table())
        return convert_table(*table);
    if (auto *array = node.as_array())
        return convert_array(*array);
    if (auto *text = node.as_string())
        return convert_string(text->get());
    if (auto *integer = node.as_integer())
        return json_integer(integer->get());
    if (auto *boolean = node.as_boolean())
        return json_boolean(boolean->get());
    if (auto *real = node.as_floating_point()) {
        json_t *number = json_real(real->get());
        return number ? number : json_null(); // infinite, or no number
    }
    std::ostringstream stream;
    if (auto *date = node.as_date())
        stream << date->get();
    else if (auto *time = node.as_time())
        stream << time->get();
    else if (auto *both = node.as_date_time())
        stream << both->get();
    return convert_string(stream.str());
}

} // namespace

extern "C" rb_err rb_toml_parse(json_t **out, const char *text, size_t len)
{
    *out = nullptr;
    if (!rb_toml_is_tame(text, len))
        return rb_error_set(RB_EINVAL, "TOML: nested too deeply, or too much of one thing");
    try {
        const toml::table table = toml::parse(std::string_view(text, len));
        *out = convert_table(table);
        return RB_OK;
    } catch (const toml::parse_error &error) {
        return rb_error_set(RB_EINVAL, "TOML: line %u: %.*s", static_cast<unsigned>(error.source().begin.line),
                            static_cast<int>(error.description().size()), error.description().data());
    } catch (const std::logic_error &error) {
        return rb_error_set(RB_EINVAL, "TOML: %s", error.what());
    } catch (...) {
        return rb_error_set(RB_EINTERNAL, "TOML: out of memory");
    }
}
