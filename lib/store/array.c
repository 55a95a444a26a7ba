/*
 * Arrays in PostgreSQL's binary form (array_recv() in its arrayfuncs.c): dimensions, whether there are nulls,
 * the type of the elements, then for the one dimension its size and where counting begins; then each element
 * as its length and its bytes. All numbers in network order.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "lib/store/internal.h"

#define ARRAY_HEADER 20
#define ARRAY_EMPTY  12 /* bytes of the header of an array without elements, which has no dimension */
#define ARRAY_NULL   UINT32_MAX
#define UUID_BYTES   16

/* pg_type.dat: types that are built in keep their numbers for ever. */
static const uint32_t array_types[] = {
    [RB_ARRAY_BYTES] = 17, [RB_ARRAY_INT] = 20, [RB_ARRAY_TEXT] = 25, [RB_ARRAY_UUID] = 2950};

void rb_array_init(struct rb_array *array, enum rb_array_kind kind, size_t limit)
{
    *array = (struct rb_array){.kind = kind};
    rb_buf_init(&array->bytes, limit);
}

void rb_array_free(struct rb_array *array)
{
    rb_buf_free(&array->bytes);
    array->count = 0;
    array->has_null = false;
}

void rb_array_reset(struct rb_array *array)
{
    rb_buf_reset(&array->bytes);
    array->count = 0;
    array->has_null = false;
}

void rb_array_cut(struct rb_array *array, uint32_t count, size_t len)
{
    if (array->bytes.len <= len)
        return;
    array->bytes.len = len;
    array->count = count;
}

/* The header's place comes with the first element; what it says, with rb_array_param(). */
static rb_err array_begin(struct rb_array *array, uint32_t len, size_t room)
{
    static const char header[ARRAY_HEADER];
    uint32_t field = htonl(len);
    size_t begin = array->count ? 0 : sizeof(header);
    if (array->bytes.limit - array->bytes.len < begin + sizeof(field) + room)
        return rb_error_set(RB_ETOOBIG, "an array of more than %zu bytes", array->bytes.limit);
    rb_err err = begin ? rb_buf_append(&array->bytes, header, begin) : RB_OK;
    if (!err)
        err = rb_buf_append(&array->bytes, &field, sizeof(field));
    if (!err)
        array->count++;
    return err;
}

rb_err rb_array_add_null(struct rb_array *array)
{
    rb_err err = array_begin(array, ARRAY_NULL, 0);
    array->has_null |= !err;
    return err;
}

rb_err rb_array_add_pieces(struct rb_array *array, const struct rb_array_piece *pieces, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].len > INT32_MAX - len) /* PostgreSQL's own limit is half of that */
            return rb_error_set(RB_ETOOBIG, "an element of more than %d bytes", INT32_MAX);
        len += pieces[i].len;
    }
    rb_err err = array_begin(array, (uint32_t)len, len);
    for (size_t i = 0; i < count && !err; i++)
        err = rb_buf_append(&array->bytes, pieces[i].data, pieces[i].len);
    return err;
}

rb_err rb_array_add(struct rb_array *array, const void *data, size_t len)
{
    const struct rb_array_piece piece = {data, len};
    return rb_array_add_pieces(array, &piece, 1);
}

rb_err rb_array_add_int(struct rb_array *array, int64_t value)
{
    uint64_t field = htobe64((uint64_t)value);
    return rb_array_add(array, &field, sizeof(field));
}

static int array_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

rb_err rb_array_add_uuid(struct rb_array *array, const char *text)
{
    uint8_t bytes[UUID_BYTES];
    size_t at = 0, len = text ? strnlen(text, RB_UUID_SIZE) : 0;
    for (size_t i = 0; i < UUID_BYTES && len == RB_UUID_SIZE - 1; i++) {
        bool after_dash = i == 4 || i == 6 || i == 8 || i == 10;
        if (after_dash && text[at++] != '-')
            break;
        int high = array_hex_digit(text[at]), low = array_hex_digit(text[at + 1]);
        if (high < 0 || low < 0)
            break;
        bytes[i] = (uint8_t)(high * 16 + low);
        at += 2;
    }
    if (at != RB_UUID_SIZE - 1)
        return rb_error_set(RB_EINVAL, "not a UUID");
    return rb_array_add(array, bytes, sizeof(bytes));
}

struct rb_param rb_array_param(struct rb_array *array)
{
    uint32_t header[ARRAY_HEADER / sizeof(uint32_t)] = {htonl(array->count ? 1 : 0), htonl(array->has_null),
                                                        htonl(array_types[array->kind]), htonl(array->count),
                                                        htonl(1)};
    if (array->count) {
        memcpy(array->bytes.data, header, sizeof(header));
        return RB_P_BYTES(array->bytes.data, array->bytes.len);
    }
    memcpy(array->empty, header, ARRAY_EMPTY);
    return RB_P_BYTES(array->empty, ARRAY_EMPTY);
}
