/*
 * Memory of the house: allocations that never fail (they end the process instead), arenas for what lives as
 * long as an event or a request, buffers that declare their limit at birth.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"

static _Noreturn void memory_exhausted(size_t size)
{
    fprintf(stderr, "out of memory asking for %zu bytes\n", size);
    abort();
}

void *rb_malloc(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (!memory)
        memory_exhausted(size);
    return memory;
}

void *rb_calloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        memory_exhausted(size);
    return memory;
}

void *rb_realloc(void *old, size_t size)
{
    void *memory = realloc(old, size ? size : 1);
    if (!memory)
        memory_exhausted(size);
    return memory;
}

char *rb_strndup(const char *text, size_t len)
{
    char *copy = rb_malloc(len + 1);
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *rb_strdup(const char *text)
{
    return rb_strndup(text, strlen(text));
}

char *rb_asprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0)
        memory_exhausted(0);
    return text;
}

/* ---- arena -------------------------------------------------------------------------------------------- */

/* Blocks grow from what a common request of the edge needs, of which there are many at once, to what an event
 * does. */
#define ARENA_FIRST (2 * 1024)
#define ARENA_BLOCK (16 * 1024)
#define ARENA_ALIGN _Alignof(max_align_t)

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(max_align_t) unsigned char data[];
};

struct arena_deferred {
    struct arena_deferred *next;
    void (*fn)(void *);
    void *arg;
};

struct rb_arena {
    struct arena_block *blocks; /* the first has room */
    struct arena_deferred *deferred;
    size_t size;
};

struct rb_arena *rb_arena_new(void)
{
    return rb_calloc(1, sizeof(struct rb_arena));
}

void rb_arena_free(struct rb_arena *arena)
{
    if (!arena)
        return;
    for (struct arena_deferred *d = arena->deferred; d; d = d->next)
        d->fn(d->arg);
    for (struct arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(arena);
}

void *rb_arena_alloc(struct rb_arena *arena, size_t size)
{
    if (size > SIZE_MAX - ARENA_ALIGN)
        memory_exhausted(size);
    size = (size + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
    struct arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        size_t common = arena->size < ARENA_FIRST   ? ARENA_FIRST
                        : arena->size < ARENA_BLOCK ? arena->size
                                                    : ARENA_BLOCK;
        size_t room = size > common / 4 ? size : common;
        if (room > SIZE_MAX - sizeof(*block))
            memory_exhausted(size);
        block = rb_malloc(sizeof(*block) + room);
        block->used = 0;
        block->size = room;
        arena->size += sizeof(*block) + room;
        /* A block made for one large thing goes behind the one that still has room. */
        if (arena->blocks && room == size) {
            block->next = arena->blocks->next;
            arena->blocks->next = block;
        } else {
            block->next = arena->blocks;
            arena->blocks = block;
        }
    }
    void *memory = block->data + block->used;
    block->used += size;
    memset(memory, 0, size);
    return memory;
}

void *rb_arena_grown(struct rb_arena *arena, void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 64;
    void *grown = rb_arena_alloc(arena, *capacity * size);
    if (count)
        memcpy(grown, items, count * size);
    return grown;
}

char *rb_arena_strndup(struct rb_arena *arena, const char *text, size_t len)
{
    char *copy = rb_arena_alloc(arena, len + 1);
    if (len)
        memcpy(copy, text, len);
    return copy;
}

char *rb_arena_strdup(struct rb_arena *arena, const char *text)
{
    return rb_arena_strndup(arena, text, strlen(text));
}

char *rb_arena_printf(struct rb_arena *arena, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = rb_arena_alloc(arena, (size_t)(len < 0 ? 0 : len) + 1);
    if (len > 0)
        vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

void rb_arena_defer(struct rb_arena *arena, void (*fn)(void *), void *arg)
{
    struct arena_deferred *deferred = rb_arena_alloc(arena, sizeof(*deferred));
    *deferred = (struct arena_deferred){.next = arena->deferred, .fn = fn, .arg = arg};
    arena->deferred = deferred;
}

size_t rb_arena_size(const struct rb_arena *arena)
{
    return arena->size;
}

/* ---- of a thread -------------------------------------------------------------------------------------- */

struct memory_of_thread {
    void (*end)(void *memory);
    _Alignas(max_align_t) unsigned char data[];
};

static void memory_on_thread_end(void *arg)
{
    struct memory_of_thread *memory = arg;
    if (memory->end)
        memory->end(memory->data);
    free(memory);
}

/* `key` is the number of the key and one, for it may be 0. */
static pthread_key_t memory_key(struct rb_per_thread *what)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int known = __atomic_load_n(&what->key, __ATOMIC_ACQUIRE);
    if (known)
        return (pthread_key_t)known - 1;
    pthread_mutex_lock(&mutex);
    if (!what->key) {
        pthread_key_t made;
        if (pthread_key_create(&made, memory_on_thread_end) != 0)
            memory_exhausted(sizeof(made));
        __atomic_store_n(&what->key, (int)made + 1, __ATOMIC_RELEASE);
    }
    known = what->key;
    pthread_mutex_unlock(&mutex);
    return (pthread_key_t)known - 1;
}

void *rb_per_thread_get(struct rb_per_thread *what)
{
    pthread_key_t key = memory_key(what);
    struct memory_of_thread *memory = pthread_getspecific(key);
    if (memory)
        return memory->data;
    memory = rb_calloc(1, sizeof(*memory) + what->size);
    memory->end = what->end;
    if (pthread_setspecific(key, memory) != 0)
        memory_exhausted(what->size);
    return memory->data;
}

/* ---- buffer ------------------------------------------------------------------------------------------- */

#define BUF_LIKELY 256 /* bytes of a text that is printed, at the first try */

void rb_buf_init(struct rb_buf *buf, size_t limit)
{
    static char nothing[1]; /* never written: its capacity is 0 */
    *buf = (struct rb_buf){.data = nothing, .limit = limit};
}

void rb_buf_free(struct rb_buf *buf)
{
    if (buf->capacity)
        free(buf->data);
    rb_buf_init(buf, buf->limit);
}

void rb_buf_reset(struct rb_buf *buf)
{
    buf->len = 0;
    if (buf->capacity)
        buf->data[0] = '\0';
}

/* Room for `more` bytes and the zero behind them; doubles, so that appending is linear on the whole. */
static rb_err buf_reserve(struct rb_buf *buf, size_t more)
{
    if (more > buf->limit - buf->len)
        return rb_error_set(RB_ETOOBIG, "more than %zu bytes", buf->limit);
    size_t needed = buf->len + more + 1;
    if (needed <= buf->capacity)
        return RB_OK;
    size_t capacity = buf->capacity ? buf->capacity : 256;
    while (capacity < needed)
        capacity *= 2;
    if (capacity > buf->limit + 1)
        capacity = buf->limit + 1;
    buf->data = rb_realloc(buf->capacity ? buf->data : NULL, capacity);
    buf->capacity = capacity;
    return RB_OK;
}

rb_err rb_buf_append(struct rb_buf *buf, const void *data, size_t len)
{
    rb_err err = buf_reserve(buf, len);
    if (err)
        return err;
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return RB_OK;
}

rb_err rb_buf_printf(struct rb_buf *buf, const char *fmt, ...)
{
    va_list args, again;
    size_t left = buf->limit - buf->len;
    /* Most texts fit what is likely to be there, and are so formatted once. */
    rb_err err = buf_reserve(buf, left < BUF_LIKELY ? left : BUF_LIKELY);
    if (err)
        return err;
    size_t room = buf->capacity - buf->len;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(buf->data + buf->len, room, fmt, args);
    va_end(args);
    if (len < 0)
        err = rb_error_set(RB_EINTERNAL, "a text cannot be formatted");
    else if ((size_t)len >= room)
        err = buf_reserve(buf, (size_t)len);
    if (!err && (size_t)len >= room)
        vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, again);
    va_end(again);
    if (!err)
        buf->len += (size_t)len;
    else
        buf->data[buf->len] = '\0';
    return err;
}
