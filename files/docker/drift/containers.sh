# shellcheck shell=sh
# The host's clock, images and containers.
echo "now|$(date +%s)"
docker images --no-trunc --format 'image|{{.Repository}}:{{.Tag}}|{{.ID}}'
label='index .Config.Labels "com.docker.compose'
compose="{{$label.project\"}}|{{$label.service\"}}|{{$label.oneoff\"}}"
state='{{.RestartCount}}|{{.State.StartedAt}}|{{.State.Running}}'
docker ps -aq --no-trunc | xargs -r docker inspect \
    --format "container|{{.Name}}|$compose|$state|{{.Image}}|{{.Config.Image}}"
