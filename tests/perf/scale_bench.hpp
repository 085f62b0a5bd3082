// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A box with one scale on a serial line, which most measurements begin with.
#pragma once

#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>

#include "figures.hpp"
#include "support/box_process.hpp"
#include "support/serial_scale.hpp"

namespace backplane::perf {

/// A measurement that cannot go on ends with this sentence.
inline void require(bool condition, const std::string& otherwise) {
    if (!condition) throw std::runtime_error(otherwise);
}

/// `scale` times the usual number of samples.
inline int times(double scale, int usual, int least = 1) {
    return std::max(least, static_cast<int>(std::lround(scale * usual)));
}

/// A scale on a serial line, and what a box must be told to find it.
class ScaleOnLine {
public:
    ScaleOnLine();
    const std::string& link() const { return link_; }
    tests::SerialScale& scale() { return *scale_; }
    /// Only this port: the machine's own would be probed as well.
    std::string config(const std::string& more = {}) const {
        return "interfaces:\n  serial: {extra_ports: [" + link_ +
               "], ignore: [\"/dev/ttyS*\", \"/dev/ttyUSB*\"]}\n" + more;
    }

private:
    tests::TemporaryFolder folder_;
    std::string link_;
    std::unique_ptr<tests::SerialScale> scale_;
};

inline tests::BoxProcess::Options with_config(std::string config) {
    tests::BoxProcess::Options options;
    options.config = std::move(config);
    return options;
}

/// Changes the weight at random moments and takes the time until a waiting long poll has the event. `count` samples are
/// added to `waits`; what does not come within 15 s is counted in `lost`.
void sample_weights(tests::BoxProcess& box, ScaleOnLine& line, int count, Samples& waits,
                    int& lost);

}  // namespace backplane::perf
