/*
 * Sealing: version byte, key id, nonce, then XChaCha20-Poly1305 with the purpose and the row as associated
 * data. The nonce of 24 bytes is random: collisions are out of the question for any number of rows (RFC draft
 * irtf-cfrg-xchacha, section 2.2).
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "lib/secrets/keyring.h"

#define SEAL_VERSION 1
#define SEAL_NONCE   crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define SEAL_TAG     crypto_aead_xchacha20poly1305_ietf_ABYTES
#define SEAL_HEADER  (1 + 4 + SEAL_NONCE)
_Static_assert(SEAL_HEADER + SEAL_TAG == RB_SEAL_OVERHEAD, "the header states the overhead");

#define PERSONAL_SEAL "repobus seal v1\0" /* 16 bytes, BLAKE2b's personalisation */
#define PERSONAL_ID   "repobus keyid v1"

static void keyring_derive(unsigned char *out, size_t len, const char *secret, const char *personal)
{
    crypto_generichash_blake2b_salt_personal(out, len, NULL, 0, (const unsigned char *)secret, strlen(secret),
                                             NULL, (const unsigned char *)personal);
}

static void keyring_fill(struct keyring_key *key, const char *secret)
{
    size_t len = strlen(secret);
    unsigned char *copy = sodium_malloc(len);
    if (!copy)
        abort();
    memcpy(copy, secret, len);
    key->jwt_key = copy;
    key->jwt_len = len;
    keyring_derive(key->seal_key, sizeof(key->seal_key), secret, PERSONAL_SEAL);
    unsigned char id[crypto_generichash_blake2b_BYTES_MIN];
    keyring_derive(id, sizeof(id), secret, PERSONAL_ID);
    memcpy(key->id, id, sizeof(key->id));
}

rb_err rb_keyring_new(struct rb_keyring **out, const char *secret_key, const char *previous)
{
    if (!secret_key || strlen(secret_key) < RB_SECRET_KEY_MIN)
        return rb_error_set(RB_EINVAL, "SECRET_KEY needs %d characters or more", RB_SECRET_KEY_MIN);
    if (previous && strlen(previous) < RB_SECRET_KEY_MIN)
        return rb_error_set(RB_EINVAL, "SECRET_KEY_PREVIOUS needs %d characters or more", RB_SECRET_KEY_MIN);
    if (sodium_init() < 0)
        return rb_error_set(RB_EINTERNAL, "libsodium cannot be initialised");
    struct rb_keyring *keyring = sodium_malloc(sizeof(*keyring));
    if (!keyring)
        return rb_error_set(RB_EINTERNAL, "no locked memory for the keys");
    sodium_memzero(keyring, sizeof(*keyring));
    randombytes_buf(keyring->jwt_tag_key, sizeof(keyring->jwt_tag_key));
    keyring_fill(&keyring->keys[0], secret_key);
    if (previous)
        keyring_fill(&keyring->keys[1], previous);
    *out = keyring;
    return RB_OK;
}

void rb_keyring_free(struct rb_keyring *keyring)
{
    if (!keyring)
        return;
    for (int i = 0; i < KEYRING_KEYS; i++)
        sodium_free((void *)keyring->keys[i].jwt_key);
    sodium_free(keyring); /* wipes */
}

/* "purpose\0" and the row in big-endian: no two pairs give the same bytes. */
static size_t seal_associated(uint8_t out[128], const char *purpose, int64_t row_id)
{
    size_t len = strnlen(purpose, 100);
    memcpy(out, purpose, len);
    out[len++] = 0;
    uint64_t row = htobe64((uint64_t)row_id);
    memcpy(out + len, &row, sizeof(row));
    return len + sizeof(row);
}

rb_err rb_seal(uint8_t *out, size_t *out_len, const struct rb_keyring *keyring, const char *purpose,
               int64_t row_id, const char *plain, size_t len)
{
    if (len > RB_SEAL_MAX)
        return rb_error_set(RB_ETOOBIG, "%s: a secret of %zu bytes is beyond the limit of %d", purpose, len,
                            RB_SEAL_MAX);
    const struct keyring_key *key = &keyring->keys[0];
    uint8_t associated[128];
    size_t associated_len = seal_associated(associated, purpose, row_id);
    unsigned long long sealed_len = 0;
    out[0] = SEAL_VERSION;
    memcpy(out + 1, key->id, sizeof(key->id));
    uint8_t *nonce = out + 5;
    randombytes_buf(nonce, SEAL_NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + SEAL_HEADER, &sealed_len, (const unsigned char *)plain,
                                               len, associated, associated_len, NULL, nonce, key->seal_key);
    *out_len = SEAL_HEADER + (size_t)sealed_len;
    return RB_OK;
}

rb_err rb_unseal(char **out, size_t *out_len, const struct rb_keyring *keyring, const char *purpose,
                 int64_t row_id, const uint8_t *sealed, size_t len)
{
    rb_err closed = RB_EAUTH;
    if (!sealed || len < RB_SEAL_OVERHEAD || len > RB_SEAL_MAX + RB_SEAL_OVERHEAD ||
        sealed[0] != SEAL_VERSION)
        return rb_error_set(closed, "%s of row %lld is no sealed value", purpose, (long long)row_id);
    uint8_t associated[128];
    size_t associated_len = seal_associated(associated, purpose, row_id);
    char *plain = rb_malloc(len - RB_SEAL_OVERHEAD + 1);
    for (int i = 0; i < KEYRING_KEYS; i++) {
        const struct keyring_key *key = &keyring->keys[i];
        unsigned long long plain_len = 0;
        if (!key->jwt_key || memcmp(sealed + 1, key->id, sizeof(key->id)) != 0)
            continue;
        if (crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)plain, &plain_len, NULL,
                                                       sealed + SEAL_HEADER, len - SEAL_HEADER, associated,
                                                       associated_len, sealed + 5, key->seal_key) != 0)
            continue;
        plain[plain_len] = '\0';
        *out = plain;
        if (out_len)
            *out_len = (size_t)plain_len;
        return RB_OK;
    }
    free(plain);
    return rb_error_set(closed, "%s of row %lld does not open with SECRET_KEY", purpose, (long long)row_id);
}

bool rb_seal_is_current(const struct rb_keyring *keyring, const uint8_t *sealed, size_t len)
{
    return sealed && len >= RB_SEAL_OVERHEAD && sealed[0] == SEAL_VERSION &&
           memcmp(sealed + 1, keyring->keys[0].id, sizeof(keyring->keys[0].id)) == 0;
}

void rb_secret_wipe(void *secret, size_t len)
{
    sodium_memzero(secret, len);
}

void rb_secret_free(char *secret)
{
    if (!secret)
        return;
    sodium_memzero(secret, strlen(secret));
    free(secret);
}

void rb_hook_secret_make(char out[RB_HOOK_SECRET_SIZE])
{
    unsigned char bytes[32];
    randombytes_buf(bytes, sizeof(bytes));
    sodium_bin2hex(out, RB_HOOK_SECRET_SIZE, bytes, sizeof(bytes));
    sodium_memzero(bytes, sizeof(bytes));
}
