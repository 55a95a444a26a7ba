/* Secrets as text that fits into cookies and addresses: base64 for URLs (RFC 4648, section 5), no padding. */
#include <stdlib.h>
#include <string.h>

#include "lib/secrets/keyring.h"

#define TEXT_VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

void rb_random_text(char out[RB_RANDOM_TEXT_SIZE])
{
    unsigned char bytes[32];
    randombytes_buf(bytes, sizeof(bytes));
    sodium_bin2base64(out, RB_RANDOM_TEXT_SIZE, bytes, sizeof(bytes), TEXT_VARIANT);
    sodium_memzero(bytes, sizeof(bytes));
}

void rb_sha256_text(char out[RB_RANDOM_TEXT_SIZE], const char *text)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
    sodium_bin2base64(out, RB_RANDOM_TEXT_SIZE, hash, sizeof(hash), TEXT_VARIANT);
}

bool rb_secret_equals(const char *one, const char *other)
{
    size_t len = strlen(one);
    return len == strlen(other) && sodium_memcmp(one, other, len) == 0;
}

rb_err rb_seal_text(char **out, const struct rb_keyring *keyring, const char *purpose, const char *plain)
{
    uint8_t sealed[RB_SEAL_MAX + RB_SEAL_OVERHEAD];
    size_t len = 0;
    rb_err err = rb_seal(sealed, &len, keyring, purpose, 0, plain, strlen(plain));
    if (err)
        return err;
    size_t size = sodium_base64_encoded_len(len, TEXT_VARIANT);
    *out = rb_malloc(size);
    sodium_bin2base64(*out, size, sealed, len, TEXT_VARIANT);
    return RB_OK;
}

rb_err rb_unseal_text(char **out, const struct rb_keyring *keyring, const char *purpose, const char *sealed)
{
    uint8_t bytes[RB_SEAL_MAX + RB_SEAL_OVERHEAD];
    size_t len = 0;
    const char *end = NULL;
    if (sodium_base642bin(bytes, sizeof(bytes), sealed, strlen(sealed), NULL, &len, &end, TEXT_VARIANT) !=
            0 ||
        *end)
        return rb_error_set(RB_EAUTH, "the sealed text is no base64");
    return rb_unseal(out, NULL, keyring, purpose, 0, bytes, len);
}
