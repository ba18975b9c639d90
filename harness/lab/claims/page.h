/* SPDX-License-Identifier: MIT
 *
 * page.h: claims and what came of them, as text: a line each, and the table that the project's README shows.
 */
#ifndef SPANLAB_CLAIMS_PAGE_H
#define SPANLAB_CLAIMS_PAGE_H

#include "claims/recorded.h"

#include <stdio.h>

/* The quote with {value}, {published} and {transfers} filled in; NULL if the claim has none or there is no figure. The
 * caller's to free. */
char *claim_quote(const struct claim *c, const struct claim_outcome *o);

/* "8 processes of up to 55 MiB". The caller's to free. */
char *claim_processes(const struct claim_outcome *o);

/* Counts by verdict, "11 claims: 6 REPRODUCED, 5 REFUTED". */
void claims_count(const struct claims *all, const struct claim_outcome *outcomes, FILE *out);

/* The Markdown between the README's markers, markers included. The caller's to free. */
char *claims_markdown(const struct claims *all, const struct claim_outcome *outcomes);

extern const char claims_begin_marker[], claims_end_marker[];

#endif
