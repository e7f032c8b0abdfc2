mint 1

# i-ResNet as a classifier of MNIST: 21 residual blocks; the padded channels make it injective only.
# Behrmann, Grathwohl, Chen, Duvenaud, Jacobsen, ICML 2019, arXiv:1811.00995.

import "./cifar10_classifier.mint" { Blocks }
import "std/heads.mint" { PooledLinear }

## Padding and widths are those of the classifier of CIFAR-10.
flow IResNetMnistClassifier(count: Nat = 7, width: Nat = 32) on Image[1, 28, 28] {
  standardize(mean = 0.1307, std = 0.3081)
  pad channels to 16
  Blocks(count = count, width = width)
  squeeze 2
  Blocks(count = count, width = 2 * width)
  squeeze 2
  Blocks(count = count, width = 4 * width)
  classify PooledLinear(classes = 10, h = relu)
}
