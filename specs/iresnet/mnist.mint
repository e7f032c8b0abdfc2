mint 1

# i-ResNet, density model on MNIST as it is, 28 x 28 with one channel.
# Behrmann, Grathwohl, Chen, Duvenaud, Jacobsen, ICML 2019, arXiv:1811.00995.
# The released loader pads the digits to 32 x 32 and repeats them to three channels, so the published 1.06 bits per
# dimension are of other data. 28 can be halved twice: two scales in place of three.

import "./cifar10.mint" { Stage }

## 2 scales of 16 blocks.
flow IResNetMnist(width: Nat = 512) on Image[1, 28, 28] ensures invertible {
  dequantize 256
  standardize(mean = 0.5, std = 1)
  squeeze 2
  repeat 16 { Stage(width = width) }
  factor half (keep = first)
  squeeze 2
  repeat 16 { Stage(width = width) }
  prior learned_normal(per = element)  # of the flat latent, as in ./cifar10.mint
}
