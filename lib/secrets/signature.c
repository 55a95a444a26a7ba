/*
 * Webhook signatures: HMAC-SHA256 by OpenSSL, which uses the processor's SHA instructions where libsodium
 * does not. Each thread keeps a context: to find the algorithm and make one costs more than a small body
 * does.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/secrets/keyring.h"

#define SIGNATURE_PREFIX "sha256="

static pthread_once_t signature_once = PTHREAD_ONCE_INIT;
static EVP_MAC *signature_hmac; /* as long as the process */

static void signature_fetch(void)
{
    signature_hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
}

static void signature_end(void *context)
{
    EVP_MAC_CTX_free(*(EVP_MAC_CTX **)context);
}

static EVP_MAC_CTX *signature_context(void)
{
    static struct rb_per_thread of_thread = {sizeof(EVP_MAC_CTX *), signature_end, 0};
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
    EVP_MAC_CTX **context = rb_per_thread_get(&of_thread);
    if (*context)
        return *context;
    pthread_once(&signature_once, signature_fetch);
    *context = EVP_MAC_CTX_new(signature_hmac);
    if (!*context || !EVP_MAC_CTX_set_params(*context, params))
        abort();
    return *context;
}

void rb_signature_make(char out[RB_SIGNATURE_SIZE], const char *secret, size_t secret_len, const void *body,
                       size_t len)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t mac_len = 0;
    EVP_MAC_CTX *context = signature_context();
    if (!EVP_MAC_init(context, (const unsigned char *)secret, secret_len, NULL) ||
        !EVP_MAC_update(context, body, len) || !EVP_MAC_final(context, mac, &mac_len, sizeof(mac)))
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
