"""Make packages from a bundle: a function's zip, a container, or a folder for a site without a network.

    targets            where it will run: machine, Python, C library, and the limits of each service
    functions          the zip of a function for AWS Lambda or Google
    container          a folder that `docker build` turns into an image
    wheelhouse         a folder that installs without a network
    entry_point        the function that a service calls
    parts/resolve      the wheels of numpy, tokenizers and onnxruntime for that target
    parts/own_files    clinspan's own files, however it was installed
    parts/inside       a bundle's files, and none that a link puts there
    parts/leave_out    what inference never imports, as data
    parts/assemble     the files of a package in a folder, part by part
    parts/offline      the folder that a container and a wheelhouse have in common
    parts/sbom         what the package is made of, for scanners
    parts/self_test    a run in a bare interpreter that sees nothing else; the machine its binaries are for
    parts/sizes        the parts against the limits
    parts/archive      the folder as a zip, the same bytes for the same files

Nothing here is part of a package, or imported by `clinspan.Recognizer`.
"""
