/* SPDX-License-Identifier: MIT
 * The whole malloc ABI against a model of every live object: model.h. */
#include "model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, data + size};
    model_run(&in);
    model_finish();
    return 0;
}
