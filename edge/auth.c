/* Who asks: the JWT of an exchange. Whether its person exists is for the first statement to say. */
#include <string.h>
#include <strings.h>

#include "edge/edge.h"

bool edge_authenticate(struct edge_exchange *exchange)
{
    static const char scheme[] = "bearer ";
    const char *authorization = edge_header(exchange, "authorization");
    if (!authorization || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
        return false;
    const char *token = authorization + sizeof(scheme) - 1;
    if (rb_jwt_verify(&exchange->jwt, exchange->edge->keyring, token, strlen(token)))
        return false;
    exchange->user_id = exchange->jwt.user_id;
    return true;
}
