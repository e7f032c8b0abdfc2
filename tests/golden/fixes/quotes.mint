mint 1
import "mintnet/mint.mint" { Mint }
