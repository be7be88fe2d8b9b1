"""The article in plain numbers: language models from the first neuron to Llama, with nothing but + and × in them.

Only Python's standard library is used, so that every step can be followed to its end. Read the files in this order:

    number         a number that remembers how it was made: its sum, and its gradient
    operations     the table of what numbers can be made with
    writing        how a number and its sum are written
    vector         numbers in order, and how they are added up
    network        neurons, weights, biases, layers; why there must be a bend between them
    classifier     leaf or flower: the first network, and three ways to read its outputs
    matrix         a layer as one product of tables
    deviation      how far numbers lie apart
    loss           how far outputs are from what was wanted
    training       random weights, step by step towards a smaller loss
    gradient       how gradients vanish and explode on a long way back
    characters     text as numbers: a = 1, the sliding window, one-hot
    embedding      numbers for a character that are learned
    window         the first network that speaks
    softmax        any numbers as chances; drawing by them
    continuations  trying several ways to go on, as a tree
    attention      looking back at what matters
    residual       adding to what flows past
    normalization  numbers on a common scale
    dropout        training with parts missing
    heads          several attentions side by side
    positions      telling a network what stands where
    feed_forward   what happens at each position alone
    gpt            the language model, trained on rhymes
    transformer    encoder and decoder: translation
    llama          the same tower with today's parts

A concept that `everysum.layers` or `everysum.models` has as well lies there in a file of the same name, computed with
PyTorch; tests hold the two together, values and gradients.
"""
