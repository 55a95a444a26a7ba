/*
 * lib/secrets: sealing what is at rest (libsodium), tokens of people (libjwt), signatures of webhooks.
 *
 * One keyring per process, made of SECRET_KEY. Sealing uses a key derived from it for that purpose alone
 * (BLAKE2b with a personalisation string), so that the JWT key, which other services may share, never seals
 * anything. Opened secrets belong to the caller, who wipes them with rb_secret_wipe() as soon as possible.
 */
#ifndef RB_SECRETS_H
#define RB_SECRETS_H

#include "lib/base/base.h"

struct rb_keyring;

#define RB_SECRET_KEY_MIN 32 /* bytes of SECRET_KEY: HS256 wants a key as long as its hash, RFC 7518, 3.2 */

/* `secret_key` is copied into locked memory. `previous` (rotation) may be NULL. RB_EINVAL when too short.
 * Initialises libsodium; call before threads. Safe to use from any number of threads afterwards. */
rb_err rb_keyring_new(struct rb_keyring **out, const char *secret_key, const char *previous) RB_MUST_CHECK;
void rb_keyring_free(struct rb_keyring *keyring); /* wipes; NULL is fine */

/* ---- sealing ------------------------------------------------------------------------------------------ */

/* Bytes that sealing adds: version (1), key id (4), nonce (24), tag (16). */
#define RB_SEAL_OVERHEAD 45
#define RB_SEAL_MAX      4096 /* longest plain text: tokens and hook secrets are far shorter */

/*
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) with a random nonce. `purpose` and `row_id` are bound as
 * associated data: a value moved to another row or column does not open. `out` has room for
 * len + RB_SEAL_OVERHEAD bytes; `out_len` receives exactly that number.
 * RB_ETOOBIG beyond RB_SEAL_MAX.
 */
rb_err rb_seal(uint8_t *out, size_t *out_len, const struct rb_keyring *keyring, const char *purpose,
               int64_t row_id, const char *plain, size_t len) RB_MUST_CHECK;

/* RB_EAUTH when it does not open (wrong key, moved, altered, cut off, unknown version). `out` is allocated,
 * zero-terminated, and released with rb_secret_free(). */
rb_err rb_unseal(char **out, size_t *out_len, const struct rb_keyring *keyring, const char *purpose,
                 int64_t row_id, const uint8_t *sealed, size_t len) RB_MUST_CHECK;

/* Whether a sealed value is under the current key: one that is under the previous key still opens, but will
 * not once that key is gone. Pure. */
bool rb_seal_is_current(const struct rb_keyring *keyring, const uint8_t *sealed, size_t len);

/* The same as text for cookies, bound to `purpose` alone: letters, digits, '-' and '_'. `out` is freed by the
 * caller, the opened one with rb_secret_free(). */
rb_err rb_seal_text(char **out, const struct rb_keyring *keyring, const char *purpose,
                    const char *plain) RB_MUST_CHECK;
rb_err rb_unseal_text(char **out, const struct rb_keyring *keyring, const char *purpose,
                      const char *sealed) RB_MUST_CHECK;

/* The purposes in use. */
#define RB_PURPOSE_SIGN_IN     "cookie.sign_in"
#define RB_PURPOSE_OAUTH_TOKEN "users.token_sealed"
#define RB_PURPOSE_HOOK_SECRET "installations.webhook_secret"

void rb_secret_wipe(void *secret, size_t len);
void rb_secret_free(char *secret); /* wipes up to its zero byte, then frees; NULL is fine */

bool rb_secret_equals(const char *one, const char *other); /* in constant time for texts of one length */

#define RB_RANDOM_TEXT_SIZE 44
/* 32 random bytes as base64 for URLs (43 characters), and the SHA-256 of a text in the same form, which is
 * PKCE's S256 (RFC 7636, section 4.2). */
void rb_random_text(char out[RB_RANDOM_TEXT_SIZE]);
void rb_sha256_text(char out[RB_RANDOM_TEXT_SIZE], const char *text);

#define RB_HOOK_SECRET_SIZE 65
/* 64 hexadecimal characters from libsodium's generator. */
void rb_hook_secret_make(char out[RB_HOOK_SECRET_SIZE]);

/* ---- JWT ---------------------------------------------------------------------------------------------- */

#define RB_JWT_MAX 4096 /* longest token that is looked at */

#define RB_JWT_ID_SIZE 96
struct rb_jwt {
    int64_t user_id;
    int64_t expires; /* seconds since 1970 */
    /* Tells this token from all others, for logging out: "jwt:" and a hash of what was signed, since a `jti`
     * is optional and other services that share the key may use it as they like. */
    char id[RB_JWT_ID_SIZE];
};
/*
 * Verifies a compact JWT: HS256 and nothing else (RFC 8725, 3.1), signature under the bytes of SECRET_KEY (or
 * the previous key), `exp` required and in the future, `nbf` (where present) in the past, `sub` a user id in
 * decimal. RB_EAUTH for everything else, whatever it is. Does not block.
 */
rb_err rb_jwt_verify(struct rb_jwt *jwt, const struct rb_keyring *keyring, const char *token,
                     size_t len) RB_MUST_CHECK;

/* A token for `user_id` with sub, iat, exp (now + ttl seconds) and jti. `out` is freed with rb_secret_free().
 */
rb_err rb_jwt_issue(char **out, const struct rb_keyring *keyring, int64_t user_id,
                    int64_t ttl_seconds) RB_MUST_CHECK;

/* ---- webhook signatures ------------------------------------------------------------------------------- */

#define RB_SIGNATURE_SIZE 72 /* "sha256=" + 64 hexadecimal characters + zero */
/* Value of X-Hub-Signature-256 for `body` (docs.github.com, "Validating webhook deliveries"). */
void rb_signature_make(char out[RB_SIGNATURE_SIZE], const char *secret, size_t secret_len, const void *body,
                       size_t len);
/* Constant-time comparison; RB_EAUTH when wrong, malformed, or the secret is empty. */
rb_err rb_signature_check(const char *header, const char *secret, size_t secret_len, const void *body,
                          size_t len) RB_MUST_CHECK;

#endif
