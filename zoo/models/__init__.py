"""Small variational autoencoders, written the way their users write them.

Every class has an `encoder` and a `decoder`; the one-file models have a `forward` besides.
"""
