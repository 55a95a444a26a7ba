/*
 * repobus reseal: for the administrator of a server whose SECRET_KEY has been replaced. Seals anew what is
 * under the previous key, in batches, while edges run: a row that one of them has written meanwhile stays as
 * it is. Afterwards SECRET_KEY_PREVIOUS can go.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/secrets/secrets.h"
#include "lib/store/store.h"

#define RESEAL_BATCH 500

struct reseal_kind {
    const char *label, *purpose;
    struct rb_statement next, replace;
};
static const struct reseal_kind reseal_kinds[] = {
    {"tokens of people",
     RB_PURPOSE_OAUTH_TOKEN,
     {"reseal_users",
      "select id, token_sealed from users where id > $1 and token_sealed is not null order by id "
      "limit $2"},
     {"reseal_user", "update users set token_sealed = $3 where id = $1 and token_sealed = $2 returning 1"}},
    {"secrets of hooks",
     RB_PURPOSE_HOOK_SECRET,
     {"reseal_installations", "select id, webhook_secret from installations where id > $1 and webhook_secret "
                              "<> '' order by id limit $2"},
     {"reseal_installation",
      "update installations set webhook_secret = $3 where id = $1 and webhook_secret = $2 returning 1"}},
};

struct reseal_count {
    int64_t resealed, current, closed;
};

static rb_err reseal_row(struct reseal_count *count, const struct reseal_kind *kind, struct rb_db *db,
                         const struct rb_keyring *keyring, const struct rb_rows *rows, size_t row)
{
    uint8_t sealed[RB_SEAL_MAX + RB_SEAL_OVERHEAD];
    char *plain = NULL;
    size_t old_len = 0, plain_len = 0, len = 0;
    int64_t id = rb_rows_int(rows, row, 0);
    const uint8_t *old = rb_rows_bytes(rows, row, 1, &old_len);
    if (rb_unseal(&plain, &plain_len, keyring, kind->purpose, id, old, old_len)) {
        count->closed++;
        return RB_OK;
    }
    rb_err err = RB_OK;
    if (rb_seal_is_current(keyring, old, old_len)) {
        count->current++;
    } else {
        struct rb_rows *done = NULL;
        err = rb_seal(sealed, &len, keyring, kind->purpose, id, plain, plain_len);
        struct rb_param params[] = {RB_P_INT(id), RB_P_BYTES(old, old_len), RB_P_BYTES(sealed, len)};
        if (!err)
            err = rb_db_query(&done, db, &kind->replace, params, 3);
        if (!err && rb_rows_count(done) > 0)
            count->resealed++;
        else if (!err)
            count->current++; /* an edge was first */
        rb_rows_free(done);
    }
    rb_secret_free(plain);
    return err;
}

static rb_err reseal_all(struct reseal_count *count, const struct reseal_kind *kind, struct rb_db *db,
                         const struct rb_keyring *keyring)
{
    int64_t after = 0;
    size_t found;
    rb_err err;
    do {
        struct rb_rows *rows = NULL;
        struct rb_param params[] = {RB_P_INT(after), RB_P_INT(RESEAL_BATCH)};
        err = rb_db_query(&rows, db, &kind->next, params, 2);
        found = err ? 0 : rb_rows_count(rows);
        for (size_t i = 0; i < found && !err; i++) {
            after = rb_rows_int(rows, i, 0);
            err = reseal_row(count, kind, db, keyring, rows, i);
        }
        rb_rows_free(rows);
    } while (!err && found == RESEAL_BATCH);
    return err;
}

static void reseal_show(const struct cli_options *options, const char *label,
                        const struct reseal_count *count)
{
    printf(options->json ? "{\"what\":\"%s\",\"resealed\":%lld,\"current\":%lld,\"do_not_open\":%lld}\n"
                         : "%s: %lld sealed anew, %lld were current, %lld do not open with either key\n",
           label, (long long)count->resealed, (long long)count->current, (long long)count->closed);
}

int cli_reseal(const struct cli_options *options)
{
    struct rb_config *config = rb_config_new();
    struct rb_keyring *keyring = NULL;
    struct rb_db *db = NULL;
    int64_t closed = 0;
    int code = CLI_USAGE;
    const char *key = rb_config_secret(config, "SECRET_KEY", RB_SECRET_KEY_MIN, true);
    const char *previous = rb_config_secret(config, "SECRET_KEY_PREVIOUS", RB_SECRET_KEY_MIN, true);
    const char *url = rb_config_string(config, "DATABASE_URL", NULL, "the server's database");
    rb_err err = rb_config_check(config);
    if (err)
        goto out;
    err = rb_keyring_new(&keyring, key, previous);
    if (!err)
        err = rb_db_open(&db, url, "repobus-reseal", 0);
    for (size_t i = 0; i < sizeof(reseal_kinds) / sizeof(*reseal_kinds) && !err; i++) {
        struct reseal_count count = {0};
        err = reseal_all(&count, &reseal_kinds[i], db, keyring);
        closed += count.closed;
        if (!err)
            reseal_show(options, reseal_kinds[i].label, &count);
    }
    if (err)
        fprintf(stderr, "repobus reseal: %s. What was sealed anew stays so: run it again.\n",
                rb_error_text());
    else if (closed)
        fprintf(stderr, "repobus reseal: what does not open is lost with its key. People sign in again; the "
                        "reconciler makes their hooks anew.\n");
    code = err ? CLI_FAILED : CLI_OK;
out:
    rb_db_close(db);
    rb_keyring_free(keyring);
    rb_config_free(config);
    return code;
}
