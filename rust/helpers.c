// SPDX-License-Identifier: GPL-2.0
/* All helpers, for bindgen. */

#include "abstractions/helpers.c"
#include "genetlink/helpers.c"
