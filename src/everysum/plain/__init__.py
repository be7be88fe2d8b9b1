"""The article in plain numbers: language models from the first neuron to Llama, with nothing but + and × in them.

Only Python's standard library is used, so that every step can be followed to its end. Read the files in this order:

    number         a number that remembers how it was made: its sum, and its gradient
    operations     the table of what numbers can be made with
    writing        how a number and its sum are written
    vector         numbers in order, and how they are added up
    network        neurons, weights, biases, layers; why there must be a bend between them
    classifier     leaf or flower: the first network, and the ways to read its outputs
    matrix         a layer as one product of tables
    deviation      how far numbers lie apart
    linear         a layer that owns its weights, and random weights to start with
    loss           how far outputs are from what was wanted
    training       step by step towards a smaller loss
    gradient       how gradients vanish and explode on a long way back
    characters     text as numbers: a = 1, and a window that slides
    one_hot        a number for each character that there is
    embedding      numbers for a character that are learned
    window         the first network that speaks
    attention      looking back at what matters
    softmax        any numbers as chances; drawing by them
    continuations  trying several ways to go on, as a tree
    residual       adding to what flows past
    normalization  numbers on a common scale
    dropout        training with parts missing
    overfitting    learning by heart, made visible, and dropout against it
    heads          several attentions side by side
    positions      telling a network what stands where
    activation     other bends than ReLU
    feed_forward   what happens at each position alone
    gpt            the language model
    rhymes         a GPT that learns rhymes by heart
    separator      translating with a language model alone
    transformer    encoder and decoder
    llama          the same tower with today's parts

A concept that `everysum.layers` or `everysum.models` has as well lies there in a file of the same name, computed with
PyTorch; tests hold the two together, values and gradients.
"""
