"""What is measured of networks on labelled examples, alone and in pairs, and kept: bounded in its bytes."""
