/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* The whole ABI in one include. */
#pragma once

#include "ext/actions.h"
#include "ext/bus.h"
#include "ext/device.h"
#include "ext/events.h"
#include "ext/fd.h"
#include "ext/log.h"
#include "ext/probe.h"
#include "ext/settings.h"
#include "ext/state.h"
#include "ext/timer.h"
#include "ext/worker.h"
#include "plugin.h"
