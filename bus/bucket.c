/*
 * A small key-value bucket of NATS, one of its kind for each subscriber. One question at a time. The bucket
 * is found or made with the first, and again after an error: a server that lost its data is whole again with
 * the next. Credentials of a subscriber cannot make it, since who may make a stream, of whatever name, may
 * have it collect and send out again what belongs to others: there the operator does.
 */
#include <stdio.h>
#include <string.h>

#include "bus/admin.h"
#include "bus/runtime.h"

#define BUCKET_NANOS INT64_C(1000000) /* in a millisecond */

/* `bucket->mutex` is held. */
static natsStatus bucket_open(struct bus_bucket *bucket, struct rb_bus *bus)
{
    kvConfig config;
    kvStatus *status = NULL;

    if (bucket->store)
        return NATS_OK;
    kvConfig_Init(&config);
    config.Bucket = bucket->name;
    config.TTL = bucket->ttl_ms * BUCKET_NANOS;
    config.MaxBytes = bucket->max_bytes;
    config.Replicas = bus->settings.replicas ? (int)bus->settings.replicas : 1;
    natsStatus s = js_KeyValue(&bucket->store, bus->js, bucket->name);
    bool found = s != NATS_NOT_FOUND;
    if (!found)
        s = js_CreateKeyValue(&bucket->store, bus->js, &config);
    /* Somebody else was faster, whatever the server calls that (setup_stream()). */
    if (!found && s != NATS_OK && js_KeyValue(&bucket->store, bus->js, bucket->name) == NATS_OK)
        s = NATS_OK;
    bucket->missing = !found && s != NATS_OK;
    if (s == NATS_OK)
        s = kvStore_Status(&status, bucket->store);
    if (s == NATS_OK) /* one that was made with another time keeps that */
        bucket->ttl_ms = kvStatus_TTL(status) / BUCKET_NANOS;
    kvStatus_Destroy(status);
    return s;
}

/* Ends a question. */
static rb_err bucket_close(struct bus_bucket *bucket, natsStatus s)
{
    if (s != NATS_OK) {
        kvStore_Destroy(bucket->store);
        bucket->store = NULL;
    }
    pthread_mutex_unlock(&bucket->mutex);
    if (s == NATS_OK)
        return RB_OK;
    if (bucket->missing)
        return rb_error_set(RB_EUNAVAILABLE,
                            "NATS: bucket %s is missing and could not be made (%s); where there are "
                            "credentials, `repobus buckets %s` makes it",
                            bucket->name, natsStatus_GetText(s), bucket->subscriber);
    (void)bus_error(s, 0, "bucket %s", bucket->name);
    return rb_error_wrap(RB_EUNAVAILABLE, "asking NATS");
}

void bus_bucket_init(struct bus_bucket *bucket, const char *kind, const char *subscriber, int64_t ttl_ms,
                     int64_t max_bytes)
{
    snprintf(bucket->name, sizeof(bucket->name), "repobus_%s_%s", kind, subscriber);
    bucket->subscriber = subscriber;
    bucket->ttl_ms = ttl_ms;
    bucket->max_bytes = max_bytes;
    bucket->missing = false;
    bucket->store = NULL;
    pthread_mutex_init(&bucket->mutex, NULL);
}

void bus_bucket_free(struct bus_bucket *bucket)
{
    kvStore_Destroy(bucket->store);
    pthread_mutex_destroy(&bucket->mutex);
}

rb_err bus_bucket_get(char *value, size_t size, uint64_t *revision, struct bus_bucket *bucket,
                      struct rb_bus *bus, const char *key)
{
    kvEntry *entry = NULL;

    *revision = 0;
    value[0] = '\0';
    pthread_mutex_lock(&bucket->mutex);
    natsStatus s = bucket_open(bucket, bus);
    bool opened = s == NATS_OK;
    if (opened)
        s = kvStore_Get(&entry, bucket->store, key);
    if (s == NATS_OK) {
        const char *text = kvEntry_ValueString(entry);
        snprintf(value, size, "%s", text ? text : "");
        *revision = kvEntry_Revision(entry);
    }
    kvEntry_Destroy(entry);
    return bucket_close(bucket, opened && s == NATS_NOT_FOUND ? NATS_OK : s);
}

rb_err bus_bucket_put(struct bus_bucket *bucket, struct rb_bus *bus, const char *key, const char *value)
{
    pthread_mutex_lock(&bucket->mutex);
    natsStatus s = bucket_open(bucket, bus);
    if (s == NATS_OK)
        s = kvStore_PutString(NULL, bucket->store, key, value);
    return bucket_close(bucket, s);
}

rb_err bus_bucket_swap(uint64_t *revision, struct bus_bucket *bucket, struct rb_bus *bus, const char *key,
                       const char *value)
{
    uint64_t now = 0;

    pthread_mutex_lock(&bucket->mutex);
    natsStatus s = bucket_open(bucket, bus);
    if (s == NATS_OK && *revision == 0)
        s = kvStore_CreateString(&now, bucket->store, key, value);
    else if (s == NATS_OK)
        s = kvStore_UpdateString(&now, bucket->store, key, value, *revision);
    if (s == NATS_OK)
        *revision = now;
    return bucket_close(bucket, s);
}

rb_err rb_bus_make_buckets(struct rb_bus *bus, const char *subscriber)
{
    struct bus_bucket all[3];
    const size_t count = sizeof(all) / sizeof(*all);
    rb_err err = RB_OK;

    if (!bus_name_is_valid(subscriber))
        return rb_error_set(RB_EINVAL, "\"%.64s\" is no subscriber's name", subscriber);
    bus_marks_init(&all[0], subscriber);
    bus_lease_bucket_init(&all[1], subscriber, bus_durable_for_subscriber(subscriber, NULL).ack_wait_ms);
    bus_turn_bucket_init(&all[2], subscriber);
    for (size_t i = 0; i < count && !err; i++) {
        pthread_mutex_lock(&all[i].mutex);
        err = bucket_close(&all[i], bucket_open(&all[i], bus));
    }
    for (size_t i = 0; i < count; i++)
        bus_bucket_free(&all[i]);
    return err;
}
