# the kept half covers R, the other stays where the logit is defined
# error: [E0602] invertible
mint 1
flow F on Vec[4] ensures invertible { factor half  logit(0.05) }
