/* The blob cache: contents of files by repository and name, read and written many at a time. */
#include <inttypes.h>
#include <string.h>

#include "lib/store/store.h"

#define BLOBS_ARRAY_MAX ((size_t)64 * 1024 * 1024) /* of one statement; a caller gives far less */

static rb_err blobs_names(struct rb_array *names, const struct rb_blob *blobs, size_t count)
{
    rb_err err = RB_OK;
    rb_array_init(names, RB_ARRAY_TEXT, BLOBS_ARRAY_MAX);
    for (size_t i = 0; i < count && !err; i++)
        err = rb_array_add(names, blobs[i].sha, strlen(blobs[i].sha));
    return err;
}

rb_err rb_blobs_get(struct rb_db *db, int64_t repo_id, const struct rb_blob *wanted, size_t count,
                    rb_blob_fn fn, void *arg)
{
    static const struct rb_statement statement = {
        "blobs_get", "with touched as (update blobs set used_on = current_date "
                     "where repo_id = $1 and sha = any($2::text[]) and used_on < current_date) "
                     "select sha, content from blobs where repo_id = $1 and sha = any($2::text[])"};
    struct rb_array names;
    struct rb_rows *rows = NULL;
    if (count == 0)
        return RB_OK;
    rb_err err = blobs_names(&names, wanted, count);
    if (!err) {
        const struct rb_param params[] = {RB_P_INT(repo_id), rb_array_param(&names)};
        err = rb_db_query_binary(&rows, db, &statement, params, 2);
    }
    for (size_t i = 0; !err && i < rb_rows_count(rows); i++) {
        struct rb_blob blob = {.sha = rb_rows_text(rows, i, 0)};
        blob.content = rb_rows_bytes(rows, i, 1, &blob.len);
        fn(arg, &blob);
    }
    rb_rows_free(rows);
    rb_array_free(&names);
    return err;
}

rb_err rb_blobs_put(struct rb_db *db, int64_t repo_id, const struct rb_blob *blobs, size_t count)
{
    /* In the order of their names: two scans that write the same ones wait for each other, and not in a ring.
     * What comes after the disconnect is not kept. */
    static const struct rb_statement statement = {
        "blobs_put", "insert into blobs (repo_id, sha, content) select $1, t.sha, t.content "
                     "from unnest($2::text[], $3::bytea[]) as t (sha, content) "
                     "where exists (select 1 from installations where repo_id = $1 and state = 'active') "
                     "order by t.sha collate \"C\" on conflict do nothing"};
    struct rb_array names, contents;
    if (count == 0)
        return RB_OK;
    rb_err err = blobs_names(&names, blobs, count);
    rb_array_init(&contents, RB_ARRAY_BYTES, BLOBS_ARRAY_MAX);
    for (size_t i = 0; i < count && !err; i++)
        err = rb_array_add(&contents, blobs[i].content, blobs[i].len);
    if (!err) {
        const struct rb_param params[] = {RB_P_INT(repo_id), rb_array_param(&names),
                                          rb_array_param(&contents)};
        err = rb_db_query(NULL, db, &statement, params, 3);
    }
    rb_array_free(&contents);
    rb_array_free(&names);
    return err;
}

rb_err rb_blobs_prune(struct rb_db *db, int64_t repo_id)
{
    static const struct rb_statement bytes = {
        "blobs_prune", "delete from blobs b using (select sha, sum(size::bigint) over "
                       "(order by used_on desc, sha) as total from blobs where repo_id = $1) k "
                       "where b.repo_id = $1 and b.sha = k.sha and k.total > $2::bigint"};
    static const struct rb_statement age = {"blobs_prune_age",
                                            "delete from blobs where used_on < current_date - $1::int"};
    const struct rb_param bytes_params[] = {RB_P_INT(repo_id), RB_P_INT(RB_BLOBS_REPO_BYTES)};
    const struct rb_param age_params[] = {RB_P_INT(RB_BLOBS_DAYS)};
    rb_err err = rb_db_query(NULL, db, &bytes, bytes_params, 2);
    return err ? err : rb_db_query(NULL, db, &age, age_params, 1);
}

rb_err rb_blobs_forget(struct rb_db *db, int64_t installation_id)
{
    static const struct rb_statement statement = {
        "blobs_forget",
        "delete from blobs b using installations i where i.id = $1 and b.repo_id = i.repo_id and not exists "
        "(select 1 from installations o where o.repo_id = b.repo_id and o.state = 'active')"};
    const struct rb_param params[] = {RB_P_INT(installation_id)};
    return rb_db_query(NULL, db, &statement, params, 1);
}
