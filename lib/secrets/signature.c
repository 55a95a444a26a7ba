/* Webhook signatures: HMAC-SHA256 by OpenSSL, which uses the processor's SHA instructions where libsodium
 * does not. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "lib/secrets/keyring.h"

#define SIGNATURE_PREFIX "sha256="

void rb_signature_make(char out[RB_SIGNATURE_SIZE], const char *secret, size_t secret_len, const void *body,
                       size_t len)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int mac_len = 0;
    if (!HMAC(EVP_sha256(), secret, (int)secret_len, body, len, mac, &mac_len))
        abort();
    memcpy(out, SIGNATURE_PREFIX, sizeof(SIGNATURE_PREFIX) - 1);
    sodium_bin2hex(out + sizeof(SIGNATURE_PREFIX) - 1, RB_SIGNATURE_SIZE - sizeof(SIGNATURE_PREFIX) + 1, mac,
                   mac_len);
    sodium_memzero(mac, sizeof(mac));
}

rb_err rb_signature_check(const char *header, const char *secret, size_t secret_len, const void *body,
                          size_t len)
{
    char wanted[RB_SIGNATURE_SIZE];
    if (!secret || secret_len == 0)
        return rb_error_set(RB_EAUTH, "there is no secret to check the signature against");
    if (!header || strlen(header) != RB_SIGNATURE_SIZE - 1)
        return rb_error_set(RB_EAUTH, "the signature is missing or malformed");
    rb_signature_make(wanted, secret, secret_len, body, len);
    int differs = sodium_memcmp(wanted, header, RB_SIGNATURE_SIZE - 1);
    sodium_memzero(wanted, sizeof(wanted));
    return differs ? rb_error_set(RB_EAUTH, "the signature does not match") : RB_OK;
}
