/*
 * Opening what is sealed in the database. While a SECRET_KEY is being replaced, what is still under the
 * previous one is sealed anew as it is used; `repobus reseal` does the rest.
 */
#include <string.h>

#include "edge/edge.h"

static void seal_on_written(void *arg, rb_err err, const struct rb_rows *rows)
{
    (void)arg, (void)rows;
    if (err)
        rb_log_warn("a secret stays under the previous key for now: %s", rb_error_text());
}

static void seal_anew(struct edge_exchange *exchange, const struct rb_statement *statement,
                      const char *purpose, int64_t row_id, const char *plain, const uint8_t *old,
                      size_t old_len)
{
    uint8_t sealed[RB_SEAL_MAX + RB_SEAL_OVERHEAD];
    size_t len = 0;
    if (rb_seal(sealed, &len, exchange->edge->keyring, purpose, row_id, plain, strlen(plain)))
        return;
    struct rb_param params[] = {RB_P_INT(row_id), RB_P_BYTES(old, old_len), RB_P_BYTES(sealed, len)};
    edge_query(exchange, statement, params, 3, seal_on_written, NULL);
}

rb_err edge_open_token(char **token, struct edge_exchange *exchange, const uint8_t *sealed, size_t len)
{
    static const struct rb_statement statement = {
        "seal_token", "update users set token_sealed = $3 where id = $1 and token_sealed = $2"};
    const struct rb_keyring *keyring = exchange->edge->keyring;
    rb_err err = rb_unseal(token, NULL, keyring, RB_PURPOSE_OAUTH_TOKEN, exchange->user_id, sealed, len);
    if (!err && !rb_seal_is_current(keyring, sealed, len))
        seal_anew(exchange, &statement, RB_PURPOSE_OAUTH_TOKEN, exchange->user_id, *token, sealed, len);
    return err;
}

rb_err edge_open_hook_secret(char **secret, struct edge_exchange *exchange, int64_t installation_id,
                             const uint8_t *sealed, size_t len)
{
    static const struct rb_statement statement = {
        "seal_hook_secret",
        "update installations set webhook_secret = $3 where id = $1 and webhook_secret = $2"};
    const struct rb_keyring *keyring = exchange->edge->keyring;
    rb_err err = rb_unseal(secret, NULL, keyring, RB_PURPOSE_HOOK_SECRET, installation_id, sealed, len);
    if (!err && !rb_seal_is_current(keyring, sealed, len))
        seal_anew(exchange, &statement, RB_PURPOSE_HOOK_SECRET, installation_id, *secret, sealed, len);
    return err;
}
