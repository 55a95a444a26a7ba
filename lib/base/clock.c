#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "lib/base/base.h"

#define TIME_FIRST_MS (-62135596800000) /* 0001-01-01T00:00:00.000Z */
#define TIME_LAST_MS  253402300799999   /* 9999-12-31T23:59:59.999Z */
#define TIME_DATE_LEN 19                /* up to the seconds */
_Static_assert(RB_TIME_SIZE >= TIME_DATE_LEN + 6, "a dot, three digits, a Z and a zero follow");

static int64_t clock_read_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t rb_clock_us(void)
{
    return clock_read_us(CLOCK_MONOTONIC);
}

int64_t rb_clock_ms(void)
{
    return clock_read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t rb_clock_wall_ms(void)
{
    return clock_read_us(CLOCK_REALTIME) / 1000;
}

void rb_time_format(char out[RB_TIME_SIZE], int64_t wall_ms)
{
    /* RFC 3339 has years of four digits. Times that others sent may be anything. */
    wall_ms = wall_ms < TIME_FIRST_MS ? TIME_FIRST_MS : wall_ms > TIME_LAST_MS ? TIME_LAST_MS : wall_ms;
    int64_t ms = ((wall_ms % 1000) + 1000) % 1000;
    time_t seconds = (time_t)((wall_ms - ms) / 1000);
    /* Most times are now, and many are of the same second. */
    static _Thread_local time_t last;
    static _Thread_local char date[TIME_DATE_LEN + 1] = "1970-01-01T00:00:00";
    if (seconds != last) {
        struct tm parts;
        gmtime_r(&seconds, &parts);
        strftime(date, sizeof(date), "%4Y-%m-%dT%H:%M:%S", &parts);
        last = seconds;
    }
    const char rest[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z',
                         '\0'};
    memcpy(out, date, TIME_DATE_LEN);
    memcpy(out + TIME_DATE_LEN, rest, sizeof(rest));
}

static void clock_random(void *out, size_t len)
{
    /* Up to 256 bytes come whole and without interruption (getrandom(2)). */
    if (getrandom(out, len, 0) != (ssize_t)len)
        abort();
}

int64_t rb_jitter_ms(int64_t ms)
{
    uint32_t random;
    if (ms <= 1)
        return ms;
    clock_random(&random, sizeof(random));
    int64_t half = ms / 2;
    return half + (int64_t)(random % (uint64_t)(ms - half + 1));
}

static void uuid_print(char out[RB_UUID_SIZE], uint8_t bytes[16], int version)
{
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | (version << 4));
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    size_t at = 0;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = "0123456789abcdef"[bytes[i] >> 4];
        out[at++] = "0123456789abcdef"[bytes[i] & 15];
    }
    out[at] = '\0';
}

void rb_uuid_make(char out[RB_UUID_SIZE])
{
    uint8_t bytes[16];
    clock_random(bytes, sizeof(bytes));
    uint64_t ms = (uint64_t)rb_clock_wall_ms();
    for (int i = 0; i < 6; i++)
        bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    uuid_print(out, bytes, 7);
}

void rb_uuid_from_name(char out[RB_UUID_SIZE], const char *name)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    if (!EVP_Digest(name, strlen(name), digest, &len, EVP_sha256(), NULL))
        abort();
    uuid_print(out, digest, 8);
}

static bool traceparent_is_valid(const char *text)
{
    static const char shape[] = "00-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";
    if (!text || strlen(text) != sizeof(shape) - 1)
        return false;
    bool trace = false, span = false;
    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        bool hex = strchr("0123456789abcdef", text[i]) != NULL;
        if (shape[i] == 'h' ? !hex : text[i] != shape[i])
            return false;
        trace |= i >= 3 && i < 35 && text[i] != '0';
        span |= i >= 36 && i < 52 && text[i] != '0';
    }
    return trace && span;
}

/* The last bit of the flags. */
static bool traceparent_is_sampled(const char *text)
{
    return strchr("13579bdf", text[RB_TRACEPARENT_SIZE - 2]) != NULL;
}

void rb_traceparent_make(char out[RB_TRACEPARENT_SIZE], const char *parent)
{
    uint64_t random[3];
    clock_random(random, sizeof(random));
    random[2] |= 1; /* neither id may be all zero */
    random[0] |= 1;
    if (traceparent_is_valid(parent))
        snprintf(out, RB_TRACEPARENT_SIZE, "%.35s-%016llx-0%d", parent, (unsigned long long)random[2],
                 traceparent_is_sampled(parent));
    else
        snprintf(out, RB_TRACEPARENT_SIZE, "00-%016llx%016llx-%016llx-01", (unsigned long long)random[0],
                 (unsigned long long)random[1], (unsigned long long)random[2]);
}
