/*
 * What a repository depends on: (Repository)-[:DEPENDS_ON {scope, constraint}]->(Package {purl}), from the
 * newest profile that the scanner has written of it, whoever's installation that was made for.
 *
 * What counts is what the repository itself asks for: dependencies of the profile that have a package URL and
 * are not `indirect` (named by a lock file only), not `offered` (for others to choose from), not `local` (a
 * part of the repository) and not `aside` (asked for by an example, a test or the documentation). A package
 * is its URL without the version. There is one relationship for each package and scope, the profile's `kind`
 * ("runtime", "dev", …); where several manifests ask for different versions, `constraint` has them all,
 * sorted, with " || " between; "" is any version.
 */
#ifndef RB_PACKAGES_H
#define RB_PACKAGES_H

#include "grapher/graph.h"

#define RB_PACKAGES_MAX           5000 /* of a repository, the first by URL and scope: as the scanner has */
#define RB_PACKAGE_PURL_MAX       1000 /* characters, all ASCII: longer ones are left out */
#define RB_PACKAGE_CONSTRAINT_MAX 1000 /* characters: cut there */

/*
 * Brings the packages of a repository to its newest profile, in one transaction: readers see the old ones or
 * the new ones. *written: how many there are then; -1: nothing was changed, since there is no profile, a
 * newer one has been written already, or nobody has the repository connected any more. Of a profile that is
 * not whole nothing is removed on the strength of. Waits for a builder as rb_graph_write() does; blocks.
 * RB_EUNAVAILABLE: the store is away.
 */
rb_err rb_graph_put_packages(int64_t *written, struct rb_graph *graph, int64_t repo_id,
                             const char *full_name) RB_MUST_CHECK;

#endif
