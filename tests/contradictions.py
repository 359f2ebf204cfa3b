"""Commands of flags that cannot be meant, each with what its one line has.

R is a directory that is not there, F a folder with `text.txt`, the run `run` and the SavedModel
`saved`, in which there are notes.
"""

GAN = ("gan.train", "--preset=quickstart", "--run_dir=R")
CLASSIFY = ("classify.train", "--preset=quickstart", "--run_dir=R")
PAIR = ("gan.evaluate", "--generated=F/a.npz", "--reference=F/a.npz", "--features=digits")
SIDE = ("gan.evaluate", "--reference=F/a.npz", "--save_statistics=R.npz")
SAMPLE = ("gan.sample", "--run_dir=F/run", "--out=R")
STABILITY = ("gan.experiment", "--name=stability", "--out=R")
EXPERIMENT = ("classify.experiment", "--out=R")
FEATURES = ("gan.train_features", "--out=R")
SAVED = ("classify.evaluate", "--saved_model=F/text.txt")
BENCHMARK = ("tfnorm.benchmark",)

# They fail before TensorFlow is loaded.
EARLY = {
    # What is missing, and what is no flag.
    ("gan.train",): "--preset is required: one of quickstart",
    ("gan.train", "--preset=quickstart"): "--run_dir is required",
    (*GAN, "--stepz=3"): "Unknown command line flag 'stepz'. Did you mean: steps ?",
    (*GAN, "--nodry_run=3"): "--nodry_run=3 does not take an argument",
    (*GAN, "steps=3"): "Arguments are flags, --name=value. Received: steps=3",
    ("gan.train", "--run_dir"): "Missing value for flag --run_dir",
    (*GAN, "--flagfile=F/none"): "--flagfile must be a file of flags",
    (*GAN, "--flagfile=F"): "--flagfile must be a file of flags",
    (*GAN, "--flagfile=F/bytes"): "--flagfile must be a file of flags, text in UTF-8. Received: ",
    (*GAN, "--flagfile=F/flags"): "--steps must be a whole number, from 1 to 1,000,000,000. Rece",
    ("gan.evaluate",): "or both of --generated and --reference, and with these no --dataset",
    (*PAIR, "--dataset=digits"): "dataset=digits",
    ("classify.evaluate",): "not both. Received: neither",
    (*SAVED, "--run_dir=F/run"): "not both. Received: both",
    (
        *SAVED,
        "--which=best",
    ): "--which chooses among the networks of a run, and needs --run_dir. Received: which=best",
    ("gan.sample",): "Give --run_dir, a run that is complete, or --generator",
    ("gan.sample", "--run_dir=F/run", "--out=F/text.txt"): "--out must be a directory to write to",
    ("gan.train_features",): "--out is required",
    ("gan.experiment",): "--name is required",
    ("classify.experiment", "--name=vgg"): "--out is required",
    # Where nothing can be written.
    ("gan.train", "--preset=quickstart", "--run_dir=F/text.txt"): "run_dir=F/text.txt, which is no",
    ("classify.train", "--preset=quickstart", "--run_dir=F/text.txt/r"): "r: Not a directory",
    (*PAIR, "--out=F"): "--out must be a file to write. Received: out=F, which is a directory",
    (*PAIR, "--out=F/text.txt/o.json"): "--out must be a file to write. Received: out=F/text.txt/o",
    (*SAVED, "--out=F"): "--out must be a file to write. Received: out=F, which is a directory",
    ("gan.train_features", "--out=F/text.txt"): "--out must be a directory to write to. Received: ",
    ("gan.train_features", "--out=F"): "Received: out=F, which is something else",
    ("gan.experiment", "--name=cost", "--out=F/text.txt"): "--out must be a directory to write to",
    ("classify.experiment", "--name=vgg", "--out=F/text.txt/o"): "--out must be a directory to wri",
    (*BENCHMARK, "--out=F/text.txt"): "--out must be a directory that can be written to. Received",
    # Where something would be lost.
    ("gan.evaluate", "--run_dir=F/run", "--out=F/fifo"): "Received: out=F/fifo, which is a FIFO",
    ("gan.evaluate", "--run_dir=F/run", "--out=/dev/null"): "out=/dev/null, which is a device",
    ("gan.evaluate", "--run_dir=F/run", "--out=F/run/metrics.jsonl"): "is a part of the run there",
    (
        *PAIR,
        "--out=F/a.npz",
    ): "Received: out=F/a.npz, which is of --generated=F/a.npz: give",
    (*PAIR, "--out=F/to_a"): "Received: out=F/to_a, which is of --generated=F/a.npz: give",
    (*PAIR, "--out=R.npz", "--save_statistics=R.npz"): "which is of --save_statistics=R.npz",
    ("gan.evaluate", "--reference=F/a.npz", "--save_statistics=F/a.npz"): "of --reference=F/a.npz",
    ("gan.evaluate", "--reference=F/saved", "--save_statistics=F/run/scaling.npz"): "of the run th",
    (
        "classify.evaluate",
        "--run_dir=F/run",
        "--out=F/run/best.keras",
    ): "is a part of the run there",
    ("classify.evaluate", "--run_dir=F/run", "--out=F/fifo"): "Received: out=F/fifo, which is a FI",
    (*SAVED, "--data_dir=F/a.npz", "--out=F/a.npz"): "out=F/a.npz, which is of --data_dir=F/a.npz",
    (*SAVED, "--out=F/saved/variables/x"): "is a part of the SavedModel there",
    ("gan.train_features", "--out=F/run/generator"): "is a part of the run there",
    ("gan.train_features", "--out=F/saved"): "Received: out=F/saved, which has notes.txt",
    ("gan.train_features", "--out=."): "Received: out=., which is something else",
    ("gan.sample", "--run_dir=F/run", "--out=F/run/samples"): "is a part of the run there",
    ("gan.train", "--preset=quickstart", "--run_dir=F/run/generator"): "is a part of the run there",
    (
        "classify.train",
        "--preset=quickstart",
        "--run_dir=F/run/model",
    ): "is a part of the run there",
    ("gan.experiment", "--name=cost", "--out=F/run/events"): "is a part of the run there",
    ("classify.experiment", "--name=vgg", "--out=F/run/model"): "is a part of the run there",
    # What is not there.
    (*GAN, "--init_from=F"): "--init_from must be the directory of a run, with its config.json.",
    (*CLASSIFY, "--init_from=F/none"): "Received: init_from=F/none",
    # What changes nothing.
    (*GAN, "--norm=cd", "--device=gpu"): "--device must come with --norm=pca|zca or --discriminat",
    (*GAN, "--norm=bn", "--group_size=8"): "Received: group_size=8, norm=bn, discriminator_norm=n",
    (*GAN, "--norm=cd", "--iterations=6"): "--iterations must come with --norm=itn|gw or",
    (*GAN, "--norm=bn", "--estimate=matrix"): "--estimate must come with --norm=pca|zca|cd|itn",
    (
        *GAN,
        *("--norm=bn", "--discriminator_norm=itn", "--estimate=matrix"),
    ): "--estimate must come with --norm=pca|zca|cd|itn: else it changes nothing. Received: estima",
    (*GAN, "--norm=bn", "--alpha_constraint=unit_interval"): "must come with --norm=unitization or",
    (*GAN, "--norm=ln", "--norm_momentum=0.3"): "--norm_momentum must come with --norm=bn|unit",
    (*GAN, "--norm=gn", "--synchronized"): "--synchronized must come with",
    (*GAN, "--norm=none", "--epsilon=1e-5"): "--epsilon must come with",
    (*GAN, "--coloring_rank=2"): "--coloring_rank must come with --recovery=factorized_coloring",
    (*GAN, "--gradient_penalty_weight=2"): "must come with --gradient_penalty=wgan_gp|dragan",
    (*GAN, "--sample_labels=data"): "--sample_labels must come with --conditional=projection|acgan",
    (*CLASSIFY, "--epochs=3", "--steps=9"): "--epochs must come with --steps=none: else",
    (*CLASSIFY, "--schedule=cosine", "--decay_at=0.5"): "--decay_at must come with --schedule=ste",
    (*CLASSIFY, "--schedule=constant", "--decay_rate=0.5"): "--decay_rate must come with --schedu",
    (*CLASSIFY, "--norm=zca", "--groups=4"): "--groups must come with --norm=gn",
    (*CLASSIFY, "--norm=bn", "--device=cpu"): "--device must come with --norm=pca|zca",
    (*CLASSIFY, "--decayed=all", "--weight_decay=0"): "--decayed must come with --weight_decay",
    (*CLASSIFY, "--worker_timeout=9"): "--worker_timeout must come with --strategy=multi_worker",
    (*GAN, "--worker_timeout=9"): "--worker_timeout must come with --strategy=multi_worker: else",
    (*CLASSIFY, "--nesterov"): "`nesterov` needs a momentum",
    (*CLASSIFY, "--shift_samples=9"): "`shift_samples` needs `shift_estimators`",
    (*PAIR, "--metrics=frechet_distance", "--feature_rows=5"): "--feature_rows must come with",
    (*PAIR, "--sample_labels=data"): "--sample_labels must come with --run_dir: else it changes n",
    (*PAIR, "--test_split=nonsense"): "Received: test_split=nonsense, generated=F/a.npz, reference",
    (*PAIR, "--trust_config"): "--trust_config must come with --run_dir: else it changes nothing",
    ("gan.evaluate", "--run_dir=F/run", "--npz=images"): "must come with --generated and --referen",
    (*SIDE, "--out=R"): "--out must come with --generated and --reference: else it changes nothing",
    (*SIDE, "--metrics=inception_score"): "Received: metrics=inception_score, reference=F/a.npz",
    (*SIDE, "--score_samples=9"): "--score_samples must come with --generated and --reference",
    (*SAMPLE, "--training=nonsense"): "--training must come with --what of nearest: else it chan",
    (*SAMPLE, "--features=nonsense"): "Received: features=nonsense, what=grid",
    (*SAMPLE, "--rows=3"): "--rows must come with --what of interpolations or nearest",
    (*SAMPLE, "--what=nearest", "--count=3"): "--count must come with --what of images or grid",
    (*PAIR, "--metrics=frechet_distance", "--score_samples=5"): "--score_samples must come with -",
    # Of experiments.
    (*EXPERIMENT, "--name=gain", "--scale=small"): "--scale is not for gain, whose runs are of one",
    ("gan.experiment", "--name=gain", "--out=R", "--scale=paper"): "name=gain, scale=paper",
    (*STABILITY, "--archs=dcgan"): "--archs is not a flag of stability, which takes",
    (*EXPERIMENT, "--name=vgg", "--rates=1"): "Received: name=vgg, rates=1",
}
# These need it.
LATE = {
    (*GAN, "--batch_size=1000000"): "A batch must fit in memory: one of 1,000,000 images is",
    (*CLASSIFY, "--batch_size=1000000", "--width=2048"): "Received: batch_size=1000000",
    (*FEATURES, "--batch_size=1000000"): "Received: batch_size=1000000",
    (*GAN, "--image_size=8192"): "`image_size` must be one of [28, 32, 48, 64, 96, 128, 256]",
    (*CLASSIFY, "--image_size=8192"): "must fit in memory. Received: 1437 images of 8192x8192x1",
    (*GAN, "--norm=gn", "--group_size=24"): "group_size=24, layer='norm_1', channels=32",
    (*GAN, "--recovery=factorized_coloring"): "must be of a network that has them",
    (
        *GAN,
        "--conditional=projection",
        "--recovery=none",
    ): "A conditional network must have a recovery",
    (
        *CLASSIFY,
        "--shift_estimators=exact",
        "--shift_steps=9",
    ): "--shift_steps is for the estimators that train a critic",
    (*CLASSIFY, "--shift_estimators=exact", "--shift_layers=x"): "Received: 'x'; there are image",
    (*CLASSIFY, "--norm=gn", "--group_size=none", "--groups=3"): "groups=3, group_size=None",
    (*CLASSIFY, "--model=vgg", "--variant=arc_a"): "`variant` of vgg must be one of ['plain']",
    (*CLASSIFY, "--test_split=train[:5]"): "Received: split='train[:5]'",
    (*GAN, "--dataset=ünïcödé"): "There is no dataset 'ünïcödé' without --data_dir",
    (*GAN, "--dataset=../.."): "There is no dataset '../..' without --data_dir",
    (*GAN, "--features=ünïcödé"): "--features must be 'digits', 'tfgan_inception', a directory",
    (*PAIR, "--num_classes=3"): "--num_classes is for a generator that takes labels. Received: n",
    (*SAVED, "--dataset=digits"): "F/text.txt must be a SavedModel",
    ("gan.evaluate", "--run_dir=F/run"): "F/run does not fit this program: `steps` must be of typ",
    ("classify.evaluate", "--run_dir=F/text.txt"): "F/text.txt is not empty and not the directory",
    (*STABILITY, "--norms=bn", "--estimates=matrix"): "--norms, --recoveries and --estimates leave",
    (*STABILITY, "--settings=2e-4:Z"): "--settings must be of 1e-4:A",
    (*EXPERIMENT, "--name=vgg", "--norms=gn-3"): "--norms must be of bn, pca, zca, cd, itn",
    (*EXPERIMENT, "--name=vgg", "--norms=bn", "--estimates=matrix"): "estimates=matrix, norms=bn",
    (
        *EXPERIMENT,
        "--name=micro_batch",
        "--norms=bn",
        "--repeated=gw",
    ): "--repeated must be of --norms. Received: repeated=gw, norms=bn",
    (*EXPERIMENT, "--name=micro_batch", "--seeds=9", "--seed=2147483647"): "seed=2147483648",
    (
        *EXPERIMENT,
        "--name=disturbance",
        "--sweeps=layers",
    ): "The sweep layers measures the network of a run",
    (*EXPERIMENT, "--name=disturbance", "--samples=1000000"): "Received: samples=1000000",
    # What changes none of an experiment's runs.
    (
        *EXPERIMENT,
        *("--name=vgg", "--norms=bn,zca-16", "--iterations=7"),
    ): "--iterations must come with a run of norm=itn|gw: else it changes nothing. Received: "
    "iterations=7, and runs of norm=bn, norm=zca",
    (*EXPERIMENT, "--name=time", "--archs=mlp", "--norms=cd-16", "--device=cpu"): "norm=pca|zca",
    (*EXPERIMENT, "--name=gain", "--norms=gn-8", "--norm_momentum=0.3"): "norm=bn|unitization|pca",
    (
        *EXPERIMENT,
        *("--name=disturbance", "--sweeps=dimension", "--norms=bn", "--iterations=7"),
    ): "Received: iterations=7, and runs of norm=bn",
    (*STABILITY, "--norms=bn,cd", "--iterations=7"): "a run of norm=itn|gw or discriminator_norm",
    ("gan.experiment", "--name=cost", "--out=R", "--norms=cd", "--iterations=7"): "norm=cd, discri",
}
# These are also called as processes: some that are told early, and of each kind one that is not.
PROCESSES = [
    *[command for command in EARLY if command[0] != "tfnorm.benchmark"][::2],
    (*GAN, "--image_size=8192"),
    (*CLASSIFY, "--image_size=8192"),
    (*CLASSIFY, "--test_split=train[:5]"),
    (*PAIR, "--num_classes=3"),
    (*SAVED, "--dataset=digits"),
    (*EXPERIMENT, "--name=vgg", "--norms=gn-3"),
    (*STABILITY, "--settings=2e-4:Z"),
]
