/* Private to lib/secrets. */
#ifndef RB_KEYRING_H
#define RB_KEYRING_H

#include <sodium.h>

#include "lib/secrets/secrets.h"

#define KEYRING_KEYS 2 /* the current one and, while rotating, the one before */

/* What one SECRET_KEY gives: its bytes for JWTs, a derived key for sealing. */
struct keyring_key {
    const unsigned char *jwt_key; /* NULL: there is no such key */
    size_t jwt_len;
    uint8_t id[4]; /* says which key sealed a value; derived, gives nothing away */
    unsigned char seal_key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
};

struct rb_keyring {
    struct keyring_key keys[KEYRING_KEYS];
    unsigned char jwt_tag_key[crypto_generichash_KEYBYTES]; /* random: of this keyring in this process */
};

#endif
