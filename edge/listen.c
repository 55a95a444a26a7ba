/* Listening, and TLS where no proxy is in front. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/server.h"

#define LISTEN_BACKLOG  1024
#define LISTEN_FD_FIRST 3 /* SD_LISTEN_FDS_START */

/* ---- sockets ------------------------------------------------------------------------------------------ */

/* sd_listen_fds(3): the variables are for us only where LISTEN_PID is ours. */
static bool listen_is_handed_over(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    return pid && count && strtoll(pid, NULL, 10) == (long long)getpid() && strtoll(count, NULL, 10) >= 1;
}

static int listen_port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } name = {0};
    socklen_t size = sizeof(name);
    getsockname(fd, &name.any, &size);
    return ntohs(name.any.sa_family == AF_INET6 ? name.six.sin6_port : name.four.sin_port);
}

static rb_err listen_take_over(int *fd, int *port)
{
    *fd = fcntl(LISTEN_FD_FIRST, F_DUPFD_CLOEXEC, LISTEN_FD_FIRST + 1);
    /* Listening once more does no harm to a socket that does already. */
    if (*fd < 0 || fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK) != 0 ||
        listen(*fd, LISTEN_BACKLOG) != 0)
        return rb_error_set(RB_EINVAL, "LISTEN_FDS is set, but descriptor %d cannot be used: %s",
                            LISTEN_FD_FIRST, strerror(errno));
    *port = listen_port_of(*fd);
    return RB_OK;
}

static bool listen_address(struct sockaddr_storage *name, socklen_t *size, const char *text, int port)
{
    struct sockaddr_in *four = (struct sockaddr_in *)name;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)name;
    memset(name, 0, sizeof(*name));
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        *size = sizeof(*four);
        return true;
    }
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)port);
    *size = sizeof(*six);
    return inet_pton(AF_INET6, text, &six->sin6_addr) == 1;
}

rb_err edge_listen(int *fd, int *port, const struct edge_settings *settings)
{
    struct sockaddr_storage name;
    socklen_t size;
    int on = 1;
    if (listen_is_handed_over())
        return listen_take_over(fd, port);
    if (!listen_address(&name, &size, settings->listen_address, *port))
        return rb_error_set(RB_EINVAL, "LISTEN_ADDRESS=%s is no IPv4 or IPv6 address",
                            settings->listen_address);
    *fd = socket(name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(*fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (*fd < 0 || bind(*fd, (struct sockaddr *)&name, size) || listen(*fd, LISTEN_BACKLOG)) {
        rb_err err = rb_error_set(RB_ECONFLICT, "cannot listen on %s:%d: %s (PORT chooses another)",
                                  settings->listen_address, *port, strerror(errno));
        if (*fd >= 0)
            close(*fd);
        return err;
    }
    *port = listen_port_of(*fd);
    return RB_OK;
}

/* ---- TLS ---------------------------------------------------------------------------------------------- */

/* HTTP/2 is not offered (ALPN): that of libh2o 2.2 lacks later fixes. */
rb_err edge_tls_new(SSL_CTX **out, const struct edge_settings *settings)
{
    const char *what = NULL;
    *out = SSL_CTX_new(TLS_server_method());
    if (!*out)
        return rb_error_set(RB_EINTERNAL, "OpenSSL cannot be initialised");
    SSL_CTX_set_min_proto_version(*out, TLS1_2_VERSION);
    SSL_CTX_set_options(*out, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    if (SSL_CTX_use_certificate_chain_file(*out, settings->tls_certificate) != 1)
        what = "TLS_CERTIFICATE is no readable PEM certificate";
    else if (SSL_CTX_use_PrivateKey_file(*out, settings->tls_key, SSL_FILETYPE_PEM) != 1)
        what = "TLS_KEY is no readable PEM key of this certificate";
    if (!what)
        return RB_OK;
    SSL_CTX_free(*out);
    *out = NULL;
    return rb_error_set(RB_EINVAL, "%s: %s", what, ERR_reason_error_string(ERR_peek_last_error()));
}
